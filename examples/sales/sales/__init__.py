"""The sales example: three assets, each made by a process of another kind."""
