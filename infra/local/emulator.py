"""Runs the local AWS: `ministack` with the repairs of this folder."""

from ministack import app

import emulator_repairs

if __name__ == "__main__":
    for repair in emulator_repairs.REPAIRS:
        repair.apply()
    app.main()
