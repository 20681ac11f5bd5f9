"""PTX as it is written: modules, kernels and their statements (NVIDIA's PTX ISA)."""

import re
from dataclasses import dataclass, field


@dataclass
class Statement:
    """An instruction: `@!%p bra $L` has the guard `!%p`, the opcode ["bra"] and the operand `$L`."""

    opcode: list
    operands: list
    guard: str = ""
    text: str = ""


@dataclass
class Parameter:
    name: str
    bytes: int


@dataclass
class Entry:
    name: str
    parameters: list
    # Statements, and "{", "}", "LABEL:" and declarations (".reg .b32 %r<9>") as strings.
    body: list


@dataclass
class Variable:
    """`.shared .align 4 .b8 name[64] = {1, 2}`; without a size where a launch says it."""

    space: str
    name: str
    width: int
    count: int
    align: int = 4
    values: list = field(default_factory=list)


WIDTHS = {
    "pred": 1, "b8": 1, "u8": 1, "s8": 1, "b16": 2, "u16": 2, "s16": 2, "f16": 2, "bf16": 2, "b32": 4, "u32": 4, "s32": 4, "f32": 4,
    "f16x2": 4, "bf16x2": 4, "b64": 8, "u64": 8, "s64": 8, "f64": 8,
}  # fmt: skip

VARIABLE = re.compile(
    r"(?:\.visible |\.extern |\.weak )*\.(shared|global|const|local)\s+(?:\.align (\d+)\s+)?\.(\w+)\s+([\w$]+)"
    r"(?:\[(\d*)\])?(?:\s*=\s*(.*))?$",
    re.DOTALL,
)


def variable(text):
    """The variable that a declaration declares; none for another text."""
    found = VARIABLE.match(text)
    if not found:
        return None
    space, align, kind, name, count, values = found.groups()
    listed = re.findall(r"0[fF][0-9a-fA-F]+|-?\w+", values) if values else []
    count = 1 if count is None else int(count or 0)
    return Variable(space, name, WIDTHS[kind], count, int(align or WIDTHS[kind]), listed)


def without_comments(text):
    return re.sub(r"/\*.*?\*/", "", re.sub(r"//[^\n]*", "", text), flags=re.DOTALL)


def closing(text, at):
    """The place of the brace that closes the one at `at`."""
    depth = 0
    for place in range(at, len(text)):
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if depth == 0:
            return place
    raise ValueError("a brace is not closed")


class Module:
    def __init__(self, text):
        # Lines of their own, without an end.
        self.text = re.sub(r"^\.(version|target|address_size)\b.*$", "", without_comments(text), flags=re.MULTILINE)

    def variables(self):
        """Variables outside of kernels, by name."""
        outside, at = [], 0
        for found in re.finditer(r"\.(?:entry|func)\b", self.text):
            if found.start() < at:
                continue
            outside.append(self.text[at : found.start()])
            brace, end = self.text.find("{", found.end()), self.text.find(";", found.end())
            at = end + 1 if -1 < end < brace else closing(self.text, brace) + 1
        outside.append(self.text[at:])
        declared = (variable(" ".join(part.split())) for part in "".join(outside).split(";"))
        return {one.name: one for one in declared if one}

    def entry(self, name):
        found = re.search(rf"\.entry {re.escape(name)}\s*\(", self.text)
        if not found:
            raise ValueError(f"no kernel {name}")
        brace = self.text.index("{", found.end())
        head, body = self.text[found.end() : brace], self.text[brace + 1 : closing(self.text, brace)]
        return Entry(name, [parameter(text) for text in re.findall(r"\.param[^,)]*", head)], list(statements(body)))


def parameter(text):
    found = re.match(r"\.param\s+(?:\.align \d+\s+)?\.(\w+)\s+(?:\.ptr\s+)?(?:\.global\s+)?(?:\.align \d+\s+)?(\w+)(?:\[(\d+)\])?", text)
    kind, name, count = found.groups()
    return Parameter(name, WIDTHS[kind] * int(count or 1))


def statements(body):
    """The parts of a kernel's body, in order."""
    at, pending = 0, ""
    while at < len(body):
        mark = body[at]
        if mark in "{}" and not pending.strip():
            yield mark
            pending = ""
        elif mark == "{":
            # Registers side by side, or values of a variable.
            end = closing(body, at)
            pending += body[at : end + 1]
            at = end
        elif mark == ";":
            text = " ".join(pending.split())
            pending = ""
            if text and not text.startswith((".pragma", ".loc", ".file")):
                yield text if text.startswith(".") else instruction(text)
        elif mark == ":" and re.fullmatch(r"\s*\$?\w+", pending):
            yield pending.strip() + ":"
            pending = ""
        else:
            pending += mark
            # Lines of their own, without an end.
            if mark == "\n" and pending.lstrip().startswith((".loc", ".file", ".pragma")) and ";" not in pending:
                pending = ""
        at += 1


def instruction(text):
    guard, rest = re.fullmatch(r"(?:@(!?%?[\w$]+) )?(.*)", text).groups()
    opcode, _, operands = rest.partition(" ")
    listed = re.findall(r"\{[^}]*\}|\[[^\]]*\]|\([^)]*\)|[^,\s][^,]*", operands)
    return Statement(opcode.split("."), [one.strip() for one in listed], guard or "", text)
