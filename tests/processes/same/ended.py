"""The ways a session ends; the argument names one."""

import sys

from dagster_pipes import open_dagster_pipes


class Odd(Exception):
    def __str__(self):
        return "\ud800 é\nsecond line"


def fail():
    raise Odd


def ending(how):
    match how:
        case "well":
            return
        case "exit":
            sys.exit(3)
        case "exit with words":
            sys.exit("words")
        case "interrupt":
            raise KeyboardInterrupt
        case "odd":
            fail()
        case "chain":
            try:
                try:
                    fail()
                except Odd as odd:
                    raise ValueError("two") from odd
            except ValueError:
                _ = {}["three"]
        case "silenced chain":
            try:
                fail()
            except Odd:
                raise ValueError("alone") from None
        case "syntax":
            compile("a b", "made up.py", "exec")
        case "memory":
            raise MemoryError
        case "generator":
            next(x for x in ())


with open_dagster_pipes() as pipes:
    pipes.log.info("open")
    ending(sys.argv[1])
print("closed", pipes.is_closed)
