"""The built programs."""

from ..checks import build
from .world import CheckTest

X86_64, ARM64, RISCV = 62, 183, 243


def elf(machine):
    """The beginning of a program."""
    return b"\x7fELF" + bytes(14) + machine.to_bytes(2, "little") + bytes(44)


class Build(CheckTest):
    def setUp(self):
        super().setUp()
        self.world.build_folder = self.folder()
        functions = self.world.context().planned.resources("AWS::Serverless::Function")
        self.programs = [self.world.build_folder / logical_id / "bootstrap" for logical_id, _properties in functions]

    def write(self, content):
        for program in self.programs:
            program.parent.mkdir(exist_ok=True)
            program.write_bytes(content)

    def test_nothing_is_built_yet(self):
        self.assert_ok(build.check, "Nothing is built yet")

    def test_the_right_processor(self):
        self.write(elf(ARM64))
        self.assert_ok(build.check, f"{len(self.programs)} programs are built for arm64")
        self.write(elf(X86_64))
        self.world.parameters["Architecture"] = "x86_64"
        self.assert_ok(build.check, "built for x86_64")

    def test_the_wrong_processor(self):
        for content, found in (
            (elf(X86_64), "x86_64"),
            (elf(RISCV), "another processor"),
            (b"#!/bin/sh\n" + bytes(20), "no processor at all"),
            (b"", "no processor at all"),
        ):
            self.write(content)
            self.assert_problem(build.check, f"built for {found}, and Architecture is arm64", "Architecture=arm64")

    def test_one_wrong_program(self):
        self.write(elf(ARM64)[:20])
        self.programs[2].write_bytes(elf(X86_64))
        self.assert_problem(build.check, f"1 of {len(self.programs)} programs are built for x86_64")
        self.programs[2].write_bytes(elf(ARM64)[:19])
        self.assert_problem(build.check, "built for no processor at all")

    def test_an_incomplete_build(self):
        self.write(elf(ARM64))
        self.programs[3].unlink()
        self.assert_problem(build.check, f"incomplete: {self.programs[3].parent.name} has no program", "sam build")
