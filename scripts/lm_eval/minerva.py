"""Records which pairs of made-up answers lm-evaluation-harness 0.4.13's `minerva_math` takes for the same.

    pip install lm_eval==0.4.13 sympy math_verify antlr4-python3-runtime==4.11
    python scripts/lm_eval/minerva.py

Each line of crates/harness/tests/fixtures/minerva.jsonl is a pair: both answers, what `normalize_final_answer` makes of them,
and what `is_equiv` says. The test beside `crates/harness/src/metrics/minerva.rs` compares, and counts what differs.
"""

import json
import random
from fractions import Fraction
from pathlib import Path

from lm_eval.tasks.minerva_math import utils

OUTPUT = Path(__file__).resolve().parents[2] / "crates/harness/tests/fixtures/minerva.jsonl"
LETTERS = ["x", "y", "n", "a", "t"]


def fraction(draw):
    value = Fraction(draw.randrange(-30, 30), draw.choice([1, 2, 3, 4, 5, 7, 8, 9, 12]))
    above, below = value.numerator, value.denominator
    times = draw.choice([2, 3, 5])
    forms = [f"\\frac{{{above}}}{{{below}}}", f"{above}/{below}", f"\\dfrac{{{above * times}}}{{{below * times}}}", f"{above}\\div{below}"]
    if abs(above) < 10 and above >= 0 and below < 10:
        forms.append(f"\\frac{above}{below}")
    if below in (1, 2, 4, 5, 8):
        forms += [str(float(value)), f"{float(value)}0", f"${float(value)}$"]
    if below == 1:
        forms += [str(above), f"+{above}", f"{above}\\text{{ cm}}", f"{above} degrees", f"{above}^\\circ", f"x={above}", f"\\boxed{{{above}}}"]
    if above < 0:
        forms.append(f"-\\frac{{{-above}}}{{{below}}}")
    if above > below > 1:
        forms.append(f"{above // below}\\frac{{{above % below}}}{{{below}}}")
    return forms


def root(draw):
    times, inner, index = draw.randrange(1, 9), draw.choice([2, 3, 5, 6, 7, 10]), draw.choice([2, 2, 2, 3])
    name = "\\sqrt" if index == 2 else "\\sqrt[3]"
    forms = [f"{times}{name}{{{inner}}}", f"{name}{{{times ** index * inner}}}", f"{name}{{{inner}}}\\cdot{times}"]
    if index == 2:
        forms += [f"\\frac{{{times * inner}}}{{\\sqrt{{{inner}}}}}", f"{times} \\sqrt {inner}" if inner < 10 else f"{times}\\sqrt{{{inner}}}",
                  f"{times}\\cdot{inner}^{{\\frac{{1}}{{2}}}}", f"{times}\\cdot{inner}^{{0.5}}"]
    return forms


def sum_of_roots(draw):
    a, b, c = draw.randrange(1, 9), draw.randrange(1, 6), draw.choice([2, 3, 5])
    return [f"{a}+{b}\\sqrt{{{c}}}", f"{b}\\sqrt{{{c}}}+{a}", f"\\sqrt{{{a * a + b * b * c}+{2 * a * b}\\sqrt{{{c}}}}}",
            f"{a}-(-{b}\\sqrt{{{c}}})", f"\\frac{{{2 * a}+{2 * b}\\sqrt{{{c}}}}}{{2}}", f"\\frac{{{a * a - b * b * c}}}{{{a}-{b}\\sqrt{{{c}}}}}"]


def with_pi(draw):
    above, below = draw.randrange(1, 12), draw.choice([1, 2, 3, 4, 6])
    return [f"\\frac{{{above}\\pi}}{{{below}}}", f"\\frac{{{above}}}{{{below}}}\\pi", f"{above}\\pi/{below}", f"\\frac{{{above}}}{{{below}}}\\cdot\\pi",
            f"{above * 3.14159 / below:.4f}", f"\\frac{{{above} \\pi }}{{{below}}} \\text{{ inches}}"]


def polynomial(draw):
    x, a, b = draw.choice(LETTERS), draw.randrange(1, 7), draw.randrange(1, 7)
    return [f"({x}+{a})({x}+{b})", f"{x}^2+{a + b}{x}+{a * b}", f"{x}^{{2}} + {a + b}{x} + {a * b}", f"{a * b}+{a + b}{x}+{x}^2",
            f"{x}({x}+{a + b})+{a * b}", f"({x}+{b}) \\cdot ({x}+{a})", f"y={x}^2+{a + b}{x}+{a * b}"]


def rational_function(draw):
    x, a = draw.choice(LETTERS), draw.randrange(1, 7)
    return [f"\\frac{{{x}^2-{a * a}}}{{{x}-{a}}}", f"{x}+{a}", f"{a}+{x}", f"\\frac{{1}}{{\\frac{{1}}{{{x}+{a}}}}}", f"\\frac{{({x}+{a})^2}}{{{x}+{a}}}"]


def power(draw):
    base, exponent = draw.choice([2, 3, 5, 10]), draw.randrange(2, 9)
    value = base ** exponent
    return [f"{base}^{{{exponent}}}", f"{base}^{exponent}", f"{value}", f"{value:,}", f"{base}^{{{exponent - 1}}}\\cdot {base}", f"{base}\\times {base}^{{{exponent - 1}}}"]


def listed(draw):
    a, b = draw.randrange(0, 9), draw.randrange(0, 9)
    open_, close = draw.choice(["()", "[)", "(]", "[]", ["\\{", "\\}"], ["", ""], ["\\left(", "\\right)"]])
    return [f"{open_}{a},{b}{close}", f"{open_}{a}, {b}{close}", f"{open_}{b},{a}{close}", f"{open_}{a},{b + 1}{close}", f"${open_}{a},{b}{close}$"]


def interval(draw):
    a = draw.randrange(1, 9)
    return [f"(-\\infty,{a})", f"(-\\infty, {a})", f"x<{a}", f"x < {a}", f"(-\\infty,{a}]", f"x\\le {a}", f"{a}>x"]


def words(draw):
    return [draw.choice(["\\text{even}", "even"]), draw.choice(["\\text{odd}", "odd"]), "\\text{Ann}", "Ann", "\\text{(A)}", "(A)", "A", "\\textbf{(A)}", "\\emptyset", "\\text{none}"]


def units(draw):
    a = draw.randrange(2, 99)
    return [f"{a}", f"{a}\\text{{ cm}}", f"{a} \\text{{ cm}}^2", f"\\${a}", f"{a}\\%", f"{a} dollars", f"{a}\\ \\text{{m}}", f"{a}.0", f"{a}.00", f"{a}\\,\\text{{feet}}", f"{a}\\mbox{{ ways}}"]


def other_base(draw):
    a, b = draw.randrange(10, 99), draw.randrange(4, 9)
    return [f"{a}_{b}", f"{a}_{{{b}}}", f"{a}", f"{a}_{b + 1}", f"{a + 1}_{b}"]


def functions(draw):
    a = draw.randrange(2, 6)
    return [f"\\log_{{2}}({2 ** a})", f"\\log_2 {2 ** a}", f"{a}", f"\\ln e^{{{a}}}", f"\\log_{{10}} {10 ** a}", f"\\lg {10 ** a}", f"\\binom{{{a}}}{{1}}", f"\\frac{{{a}!}}{{{a - 1}!}}"]


def angles(draw):
    x = draw.choice(LETTERS)
    return [f"\\sin^2 {x} + \\cos^2 {x}", "1", f"\\sin {x}\\cos {x}", f"\\frac{{\\sin 2{x}}}{{2}}", f"\\tan {x}", f"\\frac{{\\sin {x}}}{{\\cos {x}}}", f"\\sec^2 {x}-\\tan^2 {x}", f"\\sin({x})"]


def matrix(draw):
    a, b = draw.randrange(9), draw.randrange(9)
    return [f"\\begin{{pmatrix}} {a} \\\\ {b} \\end{{pmatrix}}", f"\\begin{{pmatrix}}{a}\\\\{b}\\end{{pmatrix}}", f"\\begin{{pmatrix}}{b}\\\\{a}\\end{{pmatrix}}", f"({a},{b})"]


def names(draw):
    x, y = draw.sample(LETTERS, 2)
    return [f"{x}{y}", f"{y}{x}", f"{x}\\cdot {y}", f"{x}_1{y}", f"{x}_{{1}} {y}", f"2{x}{y}", f"{x}+{y}", f"{y}+{x}", f"f({x})", f"f {x}", f"\\alpha{x}", f"{x}\\alpha", f"{x}^{y}", f"{x}^{{{y}}}"]


def slips(draw):
    a = draw.randrange(2, 9)
    return [f"{a}\\pm\\sqrt{{2}}", f"{a} \\pm \\sqrt2", f"-{a}\\pm\\sqrt{{2}}", f"|{a}-x|", f"|x-{a}|", f"1/{a}x", f"\\frac{{1}}{{{a}}}x", f"\\frac{{1}}{{{a}x}}", f"2^{a}^2", f"2^{{{a * 2}}}", f"{a}-", f"\\frac{{{a}}}", f"{a}}}", f"({a}", f"{a}:3", f"{a}/3", f"{a}\\frac12", f"i{a}", f"{a}i", f"\\sqrt{{-{a}}}", f"0.{a}", f".{a}"]


FAMILIES = [fraction, root, sum_of_roots, with_pi, polynomial, rational_function, power, listed, interval, words, units, other_base,
            functions, angles, matrix, names, slips]
PAIRS = 48


def main():
    lines, same = [], 0
    for family in FAMILIES:
        draw = random.Random(family.__name__)
        seen = set()
        for number in range(PAIRS * 4):
            if len(seen) == PAIRS:
                break
            forms = family(draw)
            # Of the same answer, or of this one and another.
            pair = (draw.choice(forms), draw.choice(forms if number % 3 else family(draw)))
            if pair in seen or pair[0] == pair[1]:
                continue
            seen.add(pair)
            way = [utils.normalize_final_answer(answer) for answer in pair]
            is_same = bool(utils.is_equiv(*way))
            same += is_same
            lines.append({"family": family.__name__, "answers": pair, "ways": way, "same": is_same})
        print(family.__name__, len(seen), flush=True)
    OUTPUT.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))
    print(f"{len(lines)} pairs, {same} the same")


if __name__ == "__main__":
    main()
