"""Translates a kernel of a PTX module to C for the emulator: `translate.py MODULE.ptx KERNEL > kernel.c`.

Registers are unsigned integers of their width, read as the type that an instruction names. Addresses of shared memory are
counted from its beginning, all others are the host's. A statement that is not known ends the process when it is reached.
"""

import re
import sys

from ptx import WIDTHS, Module, variable

HELPERS = r"""
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "kernel.h"
typedef uint8_t u8; typedef uint16_t u16; typedef uint32_t u32; typedef uint64_t u64;
typedef int8_t s8; typedef int16_t s16; typedef int32_t s32; typedef int64_t s64; typedef float f32; typedef double f64;
static inline f32 as_f32(u32 x) { f32 y; memcpy(&y, &x, 4); return y; }
static inline f64 as_f64(u64 x) { f64 y; memcpy(&y, &x, 8); return y; }
static inline u32 of_f32(f32 x) { u32 y; memcpy(&y, &x, 4); return y; }
static inline u64 of_f64(f64 x) { u64 y; memcpy(&y, &x, 8); return y; }
static inline f32 as_f16(u16 x) { _Float16 y; memcpy(&y, &x, 2); return (f32)y; }
static inline u16 of_f16(f64 x) { _Float16 y = (_Float16)x; u16 z; memcpy(&z, &y, 2); return z; }
static inline f32 as_bf16(u16 x) { return as_f32((u32)x << 16); }
static inline u16 of_bf16(f32 x) { u32 y = of_f32(x); return x != x ? 0x7fff : (y + 0x7fff + (y >> 16 & 1)) >> 16; }
static inline s64 to_int(f64 x, f64 least, f64 most) { return x != x ? 0 : x <= least ? (s64)least : x >= most ? (s64)most : (s64)x; }
static inline u64 shift_left(u64 x, u32 by, u32 width) { return by >= width ? 0 : x << by; }
static inline u64 shift_right(u64 x, u32 by, u32 width) { return by >= width ? 0 : x >> by; }
static inline s64 shift_signed(s64 x, u32 by, u32 width) { return x >> (by >= width ? width - 1 : by); }
static inline u32 permute(u32 a, u32 b, u32 selector) {
  u64 both = (u64)b << 32 | a; u32 out = 0;
  for (int i = 0; i < 4; i++) { u32 s = selector >> 4 * i & 15; u8 byte = both >> 8 * (s & 7); out |= (u32)(s & 8 ? (s8)byte < 0 ? 255 : 0 : byte) << 8 * i; }
  return out;
}
static inline u64 extract(u64 x, u32 from, u32 count, u32 width, int is_signed) {
  from &= 255; count &= 255; u64 out = 0;
  u32 last = from + count - 1 < width - 1 ? from + count - 1 : width - 1, sign = is_signed && count ? x >> last & 1 : 0;
  for (u32 i = 0; i < width; i++) out |= (u64)(i < count && from + i < width ? x >> (from + i) & 1 : sign) << i;
  return out;
}
static inline u64 insert(u64 a, u64 b, u32 from, u32 count, u32 width) {
  for (u32 i = 0; i < (count & 255) && (from & 255) + i < width; i++) { u64 bit = 1ull << ((from & 255) + i); b = (b & ~bit) | (a >> i & 1 ? bit : 0); }
  return b;
}
static inline u32 logic(u32 a, u32 b, u32 c, u32 table) {
  u32 out = 0;
  for (int i = 0; i < 8; i++) if (table >> i & 1) out |= (i & 4 ? a : ~a) & (i & 2 ? b : ~b) & (i & 1 ? c : ~c);
  return out;
}
static inline s32 dot4(u32 a, u32 b, s32 c) { for (int i = 0; i < 4; i++) c += (s32)(s8)(a >> 8 * i) * (s8)(b >> 8 * i); return c; }
static inline u32 ballot(Thread *t, u32 value, u32 mask) {
  u32 all = 0; for (u32 i = 0; i < 32; i++) if (mask >> i & 1) all |= (t->exchange(t, value, i, mask) & 1) << i; return all;
}
static void unknown(const char *what) { fprintf(stderr, "emulator: not translated: %s\n", what); abort(); }
"""

FLOATS = {"f16", "bf16", "f32", "f64"}
PAIRS = {"f16x2": "f16", "bf16x2": "bf16"}
COMPARISONS = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">=", "lo": "<", "ls": "<=", "hi": ">", "hs": ">="}
ROUNDINGS = {"rn", "rz", "rm", "rp", "rna", "rni", "rzi", "rmi", "rpi", "ftz", "sat", "approx", "full", "relu", "satfinite"}


def unsigned(kind):
    return "u" + str(8 * WIDTHS[kind])


def c_name(name):
    return "v_" + re.sub(r"\W", "_", name.lstrip("%"))


class Translation:
    def __init__(self, module, entry):
        self.entry = entry
        self.globals = module.variables()
        self.offsets = {one.name: 4 * at for at, one in enumerate(entry.parameters)}
        self.parameters = {one.name: at for at, one in enumerate(entry.parameters)}
        self.shared, self.shared_bytes = {}, 0
        self.used_globals = set()
        self.waits = False
        self.lines = []
        for one in self.globals.values():
            if one.space == "shared" and one.count:
                self.declare_shared(one)

    def declare_shared(self, one):
        self.shared_bytes = -(-self.shared_bytes // one.align) * one.align
        self.shared[one.name] = self.shared_bytes
        self.shared_bytes += one.width * one.count

    # ---- operands

    def read(self, operand, kind):
        """The value of an operand as C of the type that stands for `kind`."""
        operand = operand.strip()
        if operand.startswith("-") and not re.match(r"-\d", operand):
            return f"(-{self.read(operand[1:], kind)})"
        if operand.startswith("!"):
            return f"(!{self.read(operand[1:], kind)})"
        special = re.fullmatch(r"%(tid|ntid|ctaid|nctaid)\.([xyz])", operand)
        if special:
            return f"t->{special.group(1)}[{'xyz'.index(special.group(2))}]"
        if operand == "%laneid":
            return "t->lane"
        if operand == "WARP_SZ":
            return "32u"
        if re.match(r"0[fF][0-9a-fA-F]{8}$", operand):
            return f"as_f32(0x{operand[2:]}u)"
        if re.match(r"0[dD][0-9a-fA-F]{16}$", operand):
            return f"as_f64(0x{operand[2:]}ull)"
        if re.fullmatch(r"-?(0[xX][0-9a-fA-F]+|\d+)U?", operand):
            number = int(operand.rstrip("U"), 0) & (1 << 64) - 1
            return f"({kind if kind[0] == 's' else unsigned(kind)}){number}ull" if kind != "pred" else str(number)
        name = self.address_of(operand)
        if name:
            return name
        register = c_name(operand)
        if kind in ("f32", "f64", "f16", "bf16"):
            return f"as_{kind}(({unsigned(kind)}){register})"
        return f"(({kind if kind[0] == 's' else unsigned(kind)}){register})"

    def address_of(self, name):
        """The address of a variable; none for another name."""
        if name in self.shared:
            return f"{self.shared[name]}u"
        if name in self.globals and self.globals[name].space == "shared":
            return "t->dynamic"
        if name in self.globals:
            self.used_globals.add(name)
            return f"(u64)g_{name}"
        if name in getattr(self, "locals", {}):
            return f"(u64)l_{c_name(name)}"
        return None

    def write(self, operand, kind, value):
        """Writes a value of the type that stands for `kind` to a register."""
        operand = operand.strip()
        if operand == "_":
            return
        value = f"of_{kind}({value})" if kind in FLOATS else value
        if kind[0] == "s" and kind[1:].isdigit():
            value = f"(s64)({kind})({value})"
        elif kind == "pred":
            value = f"({value}) ? 1 : 0"
        else:
            value = f"({unsigned(kind)})({value})"
        self.emit(f"{c_name(operand)} = {value};")

    def emit(self, line):
        self.lines.append(line)

    def place(self, operand, space):
        """The host's address of `[base + offset]`."""
        base, sign, offset = re.fullmatch(r"\[\s*([%\w$]+)\s*(?:([+-])\s*(-?\w+))?\s*\]", operand).groups()
        offset = int(offset or "0", 0) * (-1 if sign == "-" else 1)
        if space == "param":
            return f"(p[{self.parameters[base]}] + {offset})"
        start = self.address_of(base) or c_name(base)
        return f"(t->shared + (u32)({start}) + ({offset}))" if space == "shared" else f"((char *)({start}) + ({offset}))"

    # ---- statements

    def body(self):
        self.locals = {}
        for part in self.entry.body:
            if isinstance(part, str):
                self.declaration(part)
            else:
                self.guarded(part)
        return "\n  ".join(self.lines)

    def declaration(self, text):
        if text in "{}":
            self.emit(text)
        elif text.endswith(":"):
            self.emit(f"{c_name(text[:-1])}:;")
        elif text.startswith(".reg"):
            kind, names = re.fullmatch(r"\.reg\s*\.(\w+)\s+(.*)", text).groups()
            width = "u8" if kind == "pred" else unsigned(kind)
            for name in names.split(","):
                many = re.fullmatch(r"\s*([%\w]+)<(\d+)>\s*", name)
                each = [f"{many.group(1)}{at}" for at in range(int(many.group(2)))] if many else [name.strip()]
                self.emit(f"{width} {', '.join(f'{c_name(one)} = 0' for one in each)};")
        elif text.startswith((".shared", ".local")):
            one = variable(text)
            if one.space == "shared":
                self.declare_shared(one)
            else:
                self.locals[one.name] = one
                self.emit(f"_Alignas({max(one.align, 16)}) char l_{c_name(one.name)}[{one.width * one.count}];")

    def guarded(self, statement):
        mark = len(self.lines)
        try:
            self.statement(statement)
        except (KeyError, ValueError, IndexError, AttributeError, TypeError):
            del self.lines[mark:]
            text = statement.text.replace("\\", "").replace('"', "'")
            self.emit(f'unknown("{self.entry.name}: {text}");')
        if statement.guard:
            self.lines[mark:] = [f"if ({self.read(statement.guard, 'pred')}) {{ {' '.join(self.lines[mark:])} }}"]

    def statement(self, statement):
        opcode, operands = statement.opcode, statement.operands
        name, kind = opcode[0], opcode[-1]
        method = getattr(self, f"op_{name}", None)
        if method:
            method(opcode, operands)
        elif kind in PAIRS:
            self.pair(name, PAIRS[kind], operands)
        elif kind in FLOATS:
            self.write(operands[0], kind, self.float_value(name, kind, opcode, operands))
        else:
            self.write(operands[0], kind, self.int_value(name, kind, opcode, operands))

    def float_value(self, name, kind, opcode, operands):
        a, b, c = ([self.read(one, kind) for one in operands[1:]] + [None] * 3)[:3]
        f = "" if kind == "f64" else "f"
        # Of a product of halves, f64 is exact.
        fma = f"(f32)((f64){a} * {b} + {c})" if kind in ("f16", "bf16") else f"fma{f}({a}, {b}, {c})"
        value = {
            "add": f"{a} + {b}", "sub": f"{a} - {b}", "mul": f"{a} * {b}", "div": f"{a} / {b}", "fma": fma, "mad": fma,
            "neg": f"-{a}", "abs": f"fabs{f}({a})", "rcp": f"1 / {a}", "sqrt": f"sqrt{f}({a})", "rsqrt": f"1 / sqrt{f}({a})",
            "ex2": f"exp2{f}({a})", "lg2": f"log2{f}({a})", "sin": f"sin{f}({a})", "cos": f"cos{f}({a})",
            "tanh": f"tanh{f}({a})", "copysign": f"copysign{f}({b}, {a})",
            # Of a number and none, the number; with `.NaN`, none.
            "max": f"fmax{f}({a}, {b})", "min": f"fmin{f}({a}, {b})",
        }[name]  # fmt: skip
        if name in ("max", "min") and "NaN" in opcode:
            value = f"({a} != {a} || {b} != {b} ? NAN : {value})"
        return f"fminf(fmaxf({value}, 0), 1)" if "sat" in opcode else value

    def pair(self, name, kind, operands):
        read = lambda operand, half: f"as_{kind}((u16)({self.read(operand, 'b32')} >> {16 * half}))"
        halves = []
        for half in (0, 1):
            a, b, c = ([read(one, half) for one in operands[1:]] + [None] * 3)[:3]
            value = {"add": f"{a} + {b}", "sub": f"{a} - {b}", "mul": f"{a} * {b}", "fma": f"(f32)((f64){a} * {b} + {c})",
                     "neg": f"-{a}", "max": f"fmaxf({a}, {b})", "min": f"fminf({a}, {b})"}[name]  # fmt: skip
            halves.append(f"(u32)of_{kind}({value}) << {16 * half}")
        self.write(operands[0], "b32", " | ".join(halves))

    def int_value(self, name, kind, opcode, operands):
        width = 8 * WIDTHS[kind]
        if kind == "pred":
            a, b = ([self.read(one, kind) for one in operands[1:]] + [None])[:2]
            return {"and": f"{a} & {b}", "or": f"{a} | {b}", "xor": f"{a} ^ {b}", "not": f"!{a}"}[name]
        if name in ("shl", "shr"):
            by = self.read(operands[2], "u32")
            value = self.read(operands[1], kind)
            if name == "shl":
                return f"shift_left({value}, {by}, {width})"
            return f"{'shift_signed' if kind[0] == 's' else 'shift_right'}({value}, {by}, {width})"
        a, b, c = ([self.read(one, kind) for one in operands[1:]] + [None] * 3)[:3]
        cast = kind if kind[0] == "s" else unsigned(kind)
        full = "__int128" if kind == "s64" else "unsigned __int128" if width == 64 else "s64" if kind[0] == "s" else "u64"
        product = f"({cast})(({full}){a} * {b} >> {width})" if "hi" in opcode else f"{a} * {b}"
        return {
            "add": f"{a} + {b}", "sub": f"{a} - {b}", "mul": product, "mad": f"{product} + {c}",
            "div": f"({b} ? {a} / {b} : ({cast})-1)", "rem": f"({b} ? {a} % {b} : {a})",
            "and": f"{a} & {b}", "or": f"{a} | {b}", "xor": f"{a} ^ {b}", "not": f"~{a}", "cnot": f"!{a}", "neg": f"-{a}",
            "abs": f"({a} < 0 ? -{a} : {a})", "min": f"({a} < {b} ? {a} : {b})", "max": f"({a} > {b} ? {a} : {b})",
            "popc": f"__builtin_popcountll({a})", "clz": f"({a} ? __builtin_clzll((u64){a}) - {64 - width} : {width})",
            "brev": f"__builtin_bitreverse{width}({a})",
        }[name]  # fmt: skip

    def op_mov(self, opcode, operands):
        kind, (to, value) = opcode[-1], operands
        if to.startswith("{"):
            parts = to.strip("{}").split(",")
            bits = 8 * WIDTHS[kind] // len(parts)
            self.emit(f"{{ u64 whole = {self.read(value, kind)};")
            for at, part in enumerate(parts):
                self.write(part, f"b{bits}", f"whole >> {bits * at}")
            self.emit("}")
        elif value.startswith("{"):
            parts = value.strip("{}").split(",")
            bits = 8 * WIDTHS[kind] // len(parts)
            self.write(to, kind, " | ".join(f"(u64){self.read(part, f'b{bits}')} << {bits * at}" for at, part in enumerate(parts)))
        else:
            self.write(to, kind, self.read(value, kind))

    def op_cvta(self, opcode, operands):
        to, value = operands
        value = self.address_of(value) or c_name(value)
        if "shared" in opcode:
            value = f"{value} - (u64)t->shared" if "to" in opcode else f"(u64)t->shared + {value}"
        self.write(to, "u64", value)

    def op_ld(self, opcode, operands):
        to, kind = operands[0], opcode[-1]
        space = next((part for part in opcode if part in ("param", "global", "shared", "local", "const")), "generic")
        place = self.place(operands[1], space)
        parts = to.strip("{}").split(",")
        if len(parts) == 1:
            self.write_loaded(to, kind, place)
            return
        self.emit(f"{{ char *from = {place};")
        for at, part in enumerate(parts):
            self.write_loaded(part, kind, f"(from + {at * WIDTHS[kind]})")
        self.emit("}")

    def write_loaded(self, to, kind, place):
        if kind in FLOATS:
            kind = "b" + str(8 * WIDTHS[kind])
        self.write(to, kind, f"*({kind if kind[0] == 's' else unsigned(kind)} *){place}")

    op_ldu = op_ld

    def op_st(self, opcode, operands):
        if "param" in opcode:
            # Of a call, which is not translated.
            return
        kind, values = opcode[-1], operands[1].strip("{}").split(",")
        space = next((part for part in opcode if part in ("global", "shared", "local")), "generic")
        bits = "b" + str(8 * WIDTHS[kind])
        self.emit(f"{{ char *to = {self.place(operands[0], space)};")
        for at, value in enumerate(values):
            value = f"of_{kind}({self.read(value, kind)})" if kind in FLOATS else self.read(value, bits)
            self.emit(f"*({unsigned(kind)} *)(to + {at * WIDTHS[kind]}) = {value};")
        self.emit("}")

    def op_set(self, opcode, operands):
        """`set.eq.f16.f16 d, a, b`: one or zero."""
        comparison, kind, of = opcode[1], opcode[-2], opcode[-1]
        if kind not in FLOATS:
            raise ValueError
        self.write(operands[0], kind, f"({self.compared(comparison, of, operands)}) ? 1 : 0")

    def compared(self, comparison, kind, operands):
        """What a comparison of operands of a type says."""
        a, b = (self.read(one, kind) for one in operands[1:3])
        if comparison in ("num", "nan"):
            return f"{a} == {a} && {b} == {b}" if comparison == "num" else f"{a} != {a} || {b} != {b}"
        value = f"{a} {COMPARISONS[comparison[:2]]} {b}"
        if kind not in FLOATS:
            return value
        # `ltu` and the like are true of what is not a number.
        none = f"({a} != {a} || {b} != {b})"
        return f"{none} || {value}" if len(comparison) == 3 else f"!{none} && {value}"

    def op_setp(self, opcode, operands):
        to, value = operands[0].split("|"), self.compared(opcode[1], opcode[-1], operands)
        joined = next((part for part in opcode if part in ("and", "or", "xor")), None)
        if joined:
            value = f"({value}) {dict(zip(('and', 'or', 'xor'), '&|^'))[joined]} {self.read(operands[3], 'pred')}"
        self.emit(f"{{ int is = ({value});")
        self.write(to[0], "pred", "is")
        if len(to) == 2:
            self.write(to[1], "pred", "!is")
        self.emit("}")

    def op_selp(self, opcode, operands):
        to, a, b, which = operands
        kind = opcode[-1]
        self.write(to, kind, f"{self.read(which, 'pred')} ? {self.read(a, kind)} : {self.read(b, kind)}")

    def op_cvt(self, opcode, operands):
        to, source = opcode[-2], opcode[-1]
        if to in PAIRS:
            high, low = (f"(u32)of_{PAIRS[to]}({self.read(one, source)})" for one in operands[1:3])
            self.write(operands[0], "b32", f"{high} << 16 | {low}")
            return
        value = self.read(operands[1], source)
        rounding = next((part for part in opcode if part in ("rni", "rzi", "rmi", "rpi")), None)
        if rounding:
            value = f"{ {'rni': 'rint', 'rzi': 'trunc', 'rmi': 'floor', 'rpi': 'ceil'}[rounding] }((f64){value})"
        if "sat" in opcode and to in FLOATS:
            value = f"fmin(fmax({value}, 0), 1)"
        if source in FLOATS and to not in FLOATS:
            bits = 8 * WIDTHS[to]
            low, high = (-(2.0 ** (bits - 1)), 2.0 ** (bits - 1) - 1) if to[0] == "s" else (0.0, 2.0**bits - 1)
            if bits == 64:
                raise ValueError
            value = f"to_int({value}, {low!r}, {high!r})"
        elif to == "f64":
            value = f"(f64){value}"
        elif to in FLOATS and to != "f16":
            value = f"(f32){value}"
        self.write(operands[0], to, value)

    def op_mul(self, opcode, operands):
        self.maybe_wide("mul", opcode, operands)

    def op_mad(self, opcode, operands):
        self.maybe_wide("mad", opcode, operands)

    def maybe_wide(self, name, opcode, operands):
        kind = opcode[-1]
        if kind in PAIRS:
            self.pair(name, PAIRS[kind], operands)
        elif kind in FLOATS:
            self.write(operands[0], kind, self.float_value(name, kind, opcode, operands))
        elif "wide" in opcode:
            wide = kind[0] + str(16 * WIDTHS[kind])
            value = f"({wide}){self.read(operands[1], kind)} * ({wide}){self.read(operands[2], kind)}"
            if name == "mad":
                value += f" + {self.read(operands[3], wide)}"
            self.write(operands[0], wide, value)
        else:
            self.write(operands[0], kind, self.int_value(name, kind, opcode, operands))

    def op_bra(self, opcode, operands):
        self.emit(f"goto {c_name(operands[0])};")

    def op_ret(self, opcode, operands):
        self.emit("return;")

    op_exit = op_ret

    def op_bar(self, opcode, operands):
        if opcode[1] == "warp":
            self.waits = True
            self.emit(f"t->exchange(t, 0, t->lane, {self.read(operands[0], 'u32')});")
            return
        self.waits = True
        self.emit("t->barrier(t);")

    op_barrier = op_bar

    def op_membar(self, opcode, operands):
        pass

    op_fence = op_membar

    def op_shfl(self, opcode, operands):
        """`shfl.sync.MODE.b32 d|p, a, b, c, mask`."""
        self.waits = True
        to = operands[0].split("|")
        value, by, clamp, mask = (self.read(one, "u32") for one in operands[1:5])
        lane = {"bfly": "t->lane ^ by", "down": "t->lane + by", "up": "t->lane - by", "idx": "(t->lane & segment) | (by & ~segment)"}
        inside = "(s32)lane >= (s32)most" if opcode[2] == "up" else "lane <= most"
        self.emit(f"{{ u32 by = {by} & 31, segment = {clamp} >> 8 & 31, most = (t->lane & segment) | ({clamp} & 31 & ~segment);")
        self.emit(f"u32 lane = {lane[opcode[2]]}; int is = {inside};")
        self.write(to[0], "b32", f"t->exchange(t, {value}, is ? lane : t->lane, {mask})")
        if len(to) == 2:
            self.write(to[1], "pred", "is")
        self.emit("}")

    def op_vote(self, opcode, operands):
        self.waits = True
        value, mask = self.read(operands[1], "pred"), self.read(operands[2], "u32")
        all_of_them = f"ballot(t, {value}, {mask})"
        kind = opcode[2]
        value = {"ballot": all_of_them, "any": f"{all_of_them} != 0", "all": f"{all_of_them} == {mask}"}[kind]
        self.write(operands[0], "b32" if kind == "ballot" else "pred", value)

    def op_atom(self, opcode, operands):
        """Blocks run one after the other, and threads take turns elsewhere."""
        kind, action = opcode[-1], next(part for part in opcode if part in ("add", "min", "max", "exch", "inc", "and", "or", "cas"))
        space = next((part for part in opcode if part in ("global", "shared")), "generic")
        self.emit(f"{{ {unsigned(kind)} *to = ({unsigned(kind)} *){self.place(operands[1], space)}, before = *to;")
        old = f"as_{kind}(before)" if kind in FLOATS else f"({kind if kind[0] == 's' else unsigned(kind)})before"
        b = self.read(operands[2], kind)
        value = {"add": f"{old} + {b}", "min": f"{old} < {b} ? {old} : {b}", "max": f"{old} > {b} ? {old} : {b}", "exch": b,
                 "inc": f"{old} >= {b} ? 0 : {old} + 1", "and": f"{old} & {b}", "or": f"{old} | {b}",
                 "cas": f"{old} == {b} ? {self.read(operands[3], kind) if len(operands) > 3 else 0} : {old}"}[action]  # fmt: skip
        self.emit(f"*to = of_{kind}({value});" if kind in FLOATS else f"*to = {value};")
        self.write(operands[0], "b" + str(8 * WIDTHS[kind]), "before")
        self.emit("}")

    def op_red(self, opcode, operands):
        self.op_atom(opcode, ["_", *operands])

    def op_prmt(self, opcode, operands):
        self.write(operands[0], "b32", "permute({}, {}, {})".format(*(self.read(one, "u32") for one in operands[1:4])))

    def op_lop3(self, opcode, operands):
        self.write(operands[0], "b32", "logic({}, {}, {}, {})".format(*(self.read(one, "u32") for one in operands[1:5])))

    def op_bfe(self, opcode, operands):
        kind = opcode[-1]
        value, at, count = (self.read(operands[1], unsigned(kind)), *(self.read(one, "u32") for one in operands[2:4]))
        self.write(operands[0], unsigned(kind), f"extract({value}, {at}, {count}, {8 * WIDTHS[kind]}, {int(kind[0] == 's')})")

    def op_bfi(self, opcode, operands):
        kind = opcode[-1]
        a, b = (self.read(one, kind) for one in operands[1:3])
        at, count = (self.read(one, "u32") for one in operands[3:5])
        self.write(operands[0], kind, f"insert({a}, {b}, {at}, {count}, {8 * WIDTHS[kind]})")

    def op_shf(self, opcode, operands):
        low, high, by = (self.read(one, "u32") for one in operands[1:4])
        by = f"({by} & 31)" if "wrap" in opcode else f"({by} > 32 ? 32 : {by})"
        both = f"((u64){high} << 32 | {low})"
        self.write(operands[0], "b32", f"{both} << {by} >> 32" if opcode[1] == "l" else f"{both} >> {by}")

    def op_dp4a(self, opcode, operands):
        if opcode[1:] != ["s32", "s32"]:
            raise ValueError
        a, b = (self.read(one, "u32") for one in operands[1:3])
        self.write(operands[0], "s32", f"dot4({a}, {b}, {self.read(operands[3], 's32')})")

    def op_mma(self, opcode, operands):
        """`mma.sync.aligned.m16n8k16.row.col.f32.TYPE.TYPE.f32 {d..}, {a..}, {b..}, {c..}`."""
        shape, kinds = opcode[3], opcode[6:]
        if shape != "m16n8k16" or kinds not in (["f32", "bf16", "bf16", "f32"], ["f32", "f16", "f16", "f32"]):
            raise ValueError(kinds)
        self.waits = True
        to, a, b, c = ([one.strip() for one in operand.strip("{}").split(",")] for operand in operands)
        lists = [", ".join(self.read(one, kind) for one in part) for part, kind in ((c, "f32"), (a, "u32"), (b, "u32"))]
        self.emit(f"{{ f32 sums[4] = {{{lists[0]}}}; const u32 a[4] = {{{lists[1]}}}, b[2] = {{{lists[2]}}};")
        self.emit(f"t->multiply_tiles(t, sums, a, b, {int(kinds[1] == 'bf16')});")
        for at, one in enumerate(to):
            self.write(one, "f32", f"sums[{at}]")
        self.emit("}")

    def op_trap(self, opcode, operands):
        self.emit(f'unknown("a trap of {self.entry.name}");')

    # ---- the whole

    def source(self):
        body = self.body()
        out = [HELPERS]
        for name in sorted(self.used_globals):
            one = self.globals[name]
            values = [f"0x{value[2:]}u" if value[:2] in ("0f", "0F") else value for value in one.values]
            out.append(f"static u{8 * one.width} g_{name}[{one.count}] = {{{', '.join(values)}}};")
        sizes = "".join(f"\\{one.bytes & 255:03o}" for one in self.entry.parameters)
        out.append(f"static void body(Thread *t, char **p) {{\n  {body}\n}}")
        out.append(f'Translated translated = {{body, {self.shared_bytes}, {int(self.waits)}, "{sizes}", {len(self.entry.parameters)}}};')
        return "\n".join(out)


if __name__ == "__main__":
    path, name = sys.argv[1:]
    with open(path) as file:
        module = Module(file.read())
    print(Translation(module, module.entry(name)).source())
