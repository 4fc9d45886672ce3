"""Prints, as JSON, what the local deployment changes in the template, and what is repaired in the local AWS instead."""

import json
import pathlib
import sys

import emulator_repairs
import template_file
import template_patches


def main():
    """Reads the path of the template and explains."""
    (path,) = sys.argv[1:]
    template = template_file.read(pathlib.Path(path))
    patches = template_patches.describe(template_patches.apply(template, lambda binary: f"{binary}.zip"))
    repairs = [{"name": repair.name, "why": repair.why} for repair in emulator_repairs.REPAIRS]
    print(json.dumps({"patches": patches, "repairs": repairs}))


if __name__ == "__main__":
    main()
