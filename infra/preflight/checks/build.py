"""What `sam build` left: programs for the processor that the functions will run on."""

from ..findings import ok, problem

# `e_machine` in the header of an ELF file.
ARCHITECTURES = {62: "x86_64", 183: "arm64"}


def check(context):
    """Each built function against the parameter `Architecture`."""
    wanted = context.planned.value("Architecture")
    functions = [logical_id for logical_id, _properties in context.planned.resources("AWS::Serverless::Function")]
    programs = {logical_id: context.build_folder / logical_id / "bootstrap" for logical_id in functions}
    built = {logical_id: program for logical_id, program in programs.items() if program.is_file()}
    if not built:
        yield ok(f"Nothing is built yet. `sam build` has to build for {wanted}.")
        return
    missing = [logical_id for logical_id in functions if logical_id not in built]
    wrong = [logical_id for logical_id, program in built.items() if _architecture(program) != wanted]
    command = f"sam build --config-env {context.deployment.stage} --parameter-overrides Architecture={wanted}"
    if missing:
        yield problem(f"The build is incomplete: {', '.join(missing)} has no program.", "Build again.", command)
    if wrong:
        found = _architecture(built[wrong[0]])
        yield problem(
            f"{len(wrong)} of {len(built)} programs are built for {found}, and Architecture is {wanted}: they would not start.",
            "Build again, or change Architecture in samconfig.toml.",
            command,
        )
    if not missing and not wrong:
        yield ok(f"{len(built)} programs are built for {wanted}.")


def _architecture(program):
    with open(program, "rb") as file:
        header = file.read(20)
    if len(header) < 20 or header[:4] != b"\x7fELF":
        return "no processor at all"
    return ARCHITECTURES.get(int.from_bytes(header[18:20], "little"), "another processor")
