"""Makes all assets of the code location once, in a Dagster of its own: ``python -m concepts``."""

import sys
import tempfile

import dagster as dg

from .definitions import defs

# What the processes say, as it comes, without what Dagster says of each step.
INFO = {"loggers": {"console": {"config": {"log_level": "INFO"}}}}


def main() -> int:
    """Runs it and shows what was stored; the exit code says whether it went well."""
    with (
        tempfile.TemporaryDirectory() as directory,
        dg.DagsterInstance.local_temp(directory) as instance,
    ):
        result = defs.resolve_job_def("all_assets_job").execute_in_process(
            run_config=INFO, instance=instance, raise_on_error=False
        )
        print("\nMade:")
        for event in result.get_asset_materialization_events():
            made = event.materialization
            values = {key: value.value for key, value in made.metadata.items()}
            print(f"  {made.asset_key.to_user_string():20} {values}")
        for check in result.get_asset_check_evaluations():
            print(f"  {check.check_name:20} {'passed' if check.passed else 'failed'}")
    print(f"\nThe run {'succeeded' if result.success else 'failed'}. Where to go on: README.md")
    return 0 if result.success else 1


if __name__ == "__main__":
    sys.exit(main())
