"""Records whether lm-evaluation-harness 0.4.13's `minerva_math` takes a response for right by `math_verify`.

    pip install "lm_eval[math]==0.4.13" antlr4-python3-runtime==4.11
    python scripts/lm_eval/math_verdicts.py
    python scripts/lm_eval/math_verdicts.py --held-back

Each line of crates/harness/tests/fixtures/math_verify.jsonl is a pair of texts that we made up, a solution and a response, and
what `verify(parse(solution), parse(response))` says. The test beside `crates/harness/src/metrics/math_verify` compares, and
counts what differs. `--held-back` writes other kinds, which were compared only at the end, to math_verify_held_back.jsonl.
"""

import argparse
import json
import logging
import random
from fractions import Fraction
from pathlib import Path

from math_verify import parse, verify

import math_verdicts_held_back as held_back

OUTPUT = Path(__file__).resolve().parents[2] / "crates/harness/tests/fixtures"
LETTERS = ["x", "y", "n", "a", "k"]


def whole(draw):
    a = draw.choice([draw.randrange(-20, 100), draw.randrange(100, 5000), draw.randrange(1000, 3000000)])
    return [f"{a}", f"{a:,}", f"{a}.0", f"{a:,}".replace(",", "{,}"), f"{a:,}".replace(",", "\\,"), f"+{a}", f"{a}.", f"0{a}" if a > 0 else f"{a}", f"{a:,}".replace(",", "\\!,"),
            f"x={a}", f"{a}\\text{{ cm}}", f"{a} \\text{{ units}}", f"\\${a}", f"{a}^\\circ", f"{a}^{{\\circ}}", f"{a}\\%", f"{a} degrees", f"\\text{{{a}}}", f"{a + 1}"]


def fraction(draw):
    value = Fraction(draw.randrange(-30, 30), draw.choice([2, 3, 4, 5, 7, 8, 9, 12]))
    above, below, times = value.numerator, value.denominator, draw.choice([2, 3, 5])
    forms = [f"\\frac{{{above}}}{{{below}}}", f"{above}/{below}", f"\\dfrac{{{above * times}}}{{{below * times}}}", f"{above}\\div{below}", f"{float(value):.6f}", f"{float(value):.4f}", f"{float(value):.10f}",
             f"\\frac{{{above}.0}}{{{below}}}", f"\\tfrac{{{above}}}{{{below}}}", f"\\frac {{{above}}} {{{below}}}", f"{above}:{below}"]
    if 0 <= above < 10 and below < 10:
        forms += [f"\\frac{above}{below}", f"\\frac{above}{{{below}}}", f"\\frac{{{above}}}{below}"]
    if above < 0:
        forms += [f"-\\frac{{{-above}}}{{{below}}}", f"\\frac{{{-above}}}{{-{below}}}"]
    if above > below > 1:
        forms += [f"{above // below}\\frac{{{above % below}}}{{{below}}}", f"{above // below} \\frac{{{above % below}}}{{{below}}}", f"{above // below} {above % below}/{below}"]
    return forms


def decimal(draw):
    value = draw.randrange(1, 4000) / draw.choice([10, 100, 1000])
    return [f"{value}", f"{value}0", f"{value:.6f}", f"{value + 1e-7:.7f}", f"{value + 1e-5:.5f}", f"{value:.2f}", f"{Fraction(str(value)).numerator}/{Fraction(str(value)).denominator}",
            f"\\${value}", f"{value}\\text{{ m}}", f"{value} m", f"{str(value).lstrip('0')}", f"-{value}", f"{value}E0", f"{value * 10:.4f} \\times 10^{{-1}}"]


def root(draw):
    times, inner, index = draw.randrange(1, 9), draw.choice([2, 3, 5, 6, 7, 10]), draw.choice([2, 2, 2, 3])
    name = "\\sqrt" if index == 2 else "\\sqrt[3]"
    value = times * inner ** (1 / index)
    forms = [f"{times}{name}{{{inner}}}", f"{name}{{{times ** index * inner}}}", f"{name}{{{inner}}}\\cdot{times}", f"{value:.6f}", f"{value:.3f}", f"{times}\\cdot {inner}^{{1/{index}}}"]
    if index == 2:
        forms += [f"\\frac{{{times * inner}}}{{\\sqrt{{{inner}}}}}", f"{times} \\sqrt {inner}" if inner < 10 else f"{times}\\sqrt{{{inner}}}", f"{times}\\sqrt({inner})", f"{times} sqrt{{{inner}}}",
                  f"{times}\\cdot{inner}^{{\\frac{{1}}{{2}}}}", f"{times}\\cdot{inner}^{{0.5}}", f"\\pm {times}\\sqrt{{{inner}}}", f"-{times}\\sqrt{{{inner}}}"]
    return forms


def sum_of_roots(draw):
    a, b, c = draw.randrange(1, 9), draw.randrange(1, 6), draw.choice([2, 3, 5])
    return [f"{a}+{b}\\sqrt{{{c}}}", f"{b}\\sqrt{{{c}}}+{a}", f"\\sqrt{{{a * a + b * b * c}+{2 * a * b}\\sqrt{{{c}}}}}", f"{a}-(-{b}\\sqrt{{{c}}})", f"\\frac{{{2 * a}+{2 * b}\\sqrt{{{c}}}}}{{2}}",
            f"\\frac{{{a * a - b * b * c}}}{{{a}-{b}\\sqrt{{{c}}}}}", f"{a + b * c ** .5:.6f}", f"{a}\\pm{b}\\sqrt{{{c}}}", f"{a}+{b}\\sqrt{{{c}}},{a}-{b}\\sqrt{{{c}}}", f"x={a}\\pm {b}\\sqrt{{{c}}}"]


def with_pi(draw):
    above, below = draw.randrange(1, 12), draw.choice([1, 2, 3, 4, 6])
    return [f"\\frac{{{above}\\pi}}{{{below}}}", f"\\frac{{{above}}}{{{below}}}\\pi", f"{above}\\pi/{below}", f"\\frac{{{above}}}{{{below}}}\\cdot\\pi", f"{above * 3.14159265358979 / below:.6f}", f"{above * 3.14 / below:.2f}",
            f"\\frac{{{above} \\pi }}{{{below}}} \\text{{ inches}}", f"{above}π/{below}", f"\\frac{{{above}}}{{{below}}}\\pi \\approx {above * 3.14 / below:.2f}", f"\\pi \\cdot \\frac{{{above}}}{{{below}}}"]


def polynomial(draw):
    x, a, b = draw.choice(LETTERS), draw.randrange(1, 7), draw.randrange(1, 7)
    return [f"({x}+{a})({x}+{b})", f"{x}^2+{a + b}{x}+{a * b}", f"{x}^{{2}} + {a + b}{x} + {a * b}", f"{a * b}+{a + b}{x}+{x}^2", f"{x}({x}+{a + b})+{a * b}", f"({x}+{b}) \\cdot ({x}+{a})",
            f"y={x}^2+{a + b}{x}+{a * b}", f"f({x})={x}^2+{a + b}{x}+{a * b}", f"({x}+{a})\\left({x}+{b}\\right)", f"{x}^2+{a + b}{x}+{a * b}=0", f"({x}+{a})({x}+{b})=0"]


def rational_function(draw):
    x, a = draw.choice(LETTERS), draw.randrange(1, 7)
    return [f"\\frac{{{x}^2-{a * a}}}{{{x}-{a}}}", f"{x}+{a}", f"{a}+{x}", f"\\frac{{1}}{{\\frac{{1}}{{{x}+{a}}}}}", f"\\frac{{({x}+{a})^2}}{{{x}+{a}}}", f"({x}+{a})", f"\\left({x}+{a}\\right)", f"{x.upper()}+{a}", f"{x}+{a}.0"]


def power(draw):
    base, exponent = draw.choice([2, 3, 5, 10]), draw.randrange(2, 9)
    value = base ** exponent
    return [f"{base}^{{{exponent}}}", f"{base}^{exponent}", f"{value}", f"{value:,}", f"{base}^{{{exponent - 1}}}\\cdot {base}", f"{base}\\times {base}^{{{exponent - 1}}}", f"{base}^{{{exponent}}}-0", f"({base})^{exponent}", f"{base}^({exponent})", f"\\frac{{{base}^{{{exponent + 1}}}}}{{{base}}}"]


def listed(draw):
    a, b = draw.randrange(0, 9), draw.randrange(0, 9)
    opening, closing = draw.choice(["()", "[)", "(]", "[]", ["\\{", "\\}"], ["", ""], ["\\left(", "\\right)"], ["{", "}"], ["\\left\\{", "\\right\\}"], ["\\langle", "\\rangle"]])
    return [f"{opening}{a},{b}{closing}", f"{opening}{a}, {b}{closing}", f"{opening}{b},{a}{closing}", f"{opening}{a},{b + 1}{closing}", f"x={a},y={b}", f"x={a}, {b}", f"(x,y)=({a},{b})", f"{a} \\text{{ and }} {b}", f"{a}\\text{{ or }}{b}", f"x={a} \\text{{ or }} x={b}", f"{a};{b}"]


def triple(draw):
    a, b, c = (draw.randrange(-3, 9) for _ in range(3))
    return [f"({a},{b},{c})", f"{a},{b},{c}", f"\\{{{a},{b},{c}\\}}", f"({c},{b},{a})", f"{c}, {b}, {a}", f"[{a},{b},{c}]", f"\\left({a}, {b}, {c}\\right)", f"x={a},y={b},z={c}", f"(a,b,c)=({a},{b},{c})", f"\\begin{{pmatrix}}{a}\\\\{b}\\\\{c}\\end{{pmatrix}}", f"\\{{{b},{a},{c}\\}}", f"({a},{b},{c}.0)"]


def interval(draw):
    a = draw.randrange(1, 9)
    return [f"(-\\infty,{a})", f"(-\\infty, {a})", f"x<{a}", f"x < {a}", f"(-\\infty,{a}]", f"x\\le {a}", f"{a}>x", f"x \\leq {a}", f"x\\in(-\\infty,{a})", f"(-\\infty,{a}.0)", f"(-infinity,{a})", f"\\left(-\\infty,{a}\\right]", f"{a}\\ge x", f"x \\geqslant {a}"]


def range_of(draw):
    a, b = draw.randrange(-5, 4), draw.randrange(4, 9)
    return [f"[{a},{b}]", f"({a},{b})", f"{a}<x<{b}", f"{a}\\le x\\le {b}", f"{a} \\leq x \\leq {b}", f"{b}>x>{a}", f"x\\in[{a},{b}]", f"\\left[{a},{b}\\right]", f"[{a},{b})", f"{a}\\le x<{b}", f"x>{a}, x<{b}", f"x > {a} \\text{{ and }} x < {b}", f"\\{{x : {a}<x<{b}\\}}"]


def union(draw):
    a, b = draw.randrange(-5, 1), draw.randrange(1, 9)
    return [f"(-\\infty,{a})\\cup({b},\\infty)", f"({b},\\infty)\\cup(-\\infty,{a})", f"(-\\infty, {a}) \\cup ({b}, \\infty)", f"x<{a} \\text{{ or }} x>{b}", f"\\mathbb{{R}}\\setminus[{a},{b}]", f"(-\\infty,{a}]\\cup[{b},\\infty)",
            f"x\\in(-\\infty,{a})\\cup({b},\\infty)", f"(-\\infty,{a})\\cup({a},{b})\\cup({b},\\infty)", f"\\mathbb{{R}}\\setminus\\{{{a},{b}\\}}", f"\\mathbb{{R}}", "(-\\infty,\\infty)", "\\emptyset"]


def words(draw):
    return ["\\text{even}", "even", "\\text{odd}", "odd", "\\text{Ann}", "Ann", "\\text{(A)}", "(A)", "A", "\\textbf{(A)}", "\\emptyset", "\\text{none}", "\\mathrm{even}", "\\text{Even}", "\\text{neither}", "neither", "\\text{yes}", "\\mbox{odd}", "\\text{B}", "\\text{(B)}", "\\mathbf{B}", "B", "\\text{Tuesday}", "\\text{red and blue}"]


def units(draw):
    a = draw.randrange(2, 99)
    return [f"{a}", f"{a}\\text{{ cm}}", f"{a} \\text{{ cm}}^2", f"\\${a}", f"{a}\\%", f"{a} dollars", f"{a}\\ \\text{{m}}", f"{a}.0", f"{a}.00", f"{a}\\,\\text{{feet}}", f"{a}\\mbox{{ ways}}", f"{a} km", f"{a}\\mathrm{{~cm}}", f"{a} \\mathrm{{cm}}^{{2}}",
            f"{a}\\text{{ square units}}", f"{a}kg", f"{a} hours", f"{a} ft^2", f"{a} cm^2", f"{a}t", f"{a}x", f"{a} \\text{{ degrees}}", f"{a}\\text{{th}}", f"\\text{{{a} cm}}", f"{a} minutes"]


def percent(draw):
    a = draw.choice([draw.randrange(2, 99), draw.randrange(1, 999) / 10])
    return [f"{a}", f"{a}\\%", f"{a}%", f"{a} \\%", f"{a / 100:.6g}", f"\\frac{{{a}}}{{100}}", f"{a} percent", f"{a}\\text{{ percent}}", f"{a}\\text{{percent}}", f"\\text{{{a}\\%}}", f"{a} pct"]


def other_base(draw):
    a, b = draw.randrange(10, 99), draw.randrange(4, 9)
    return [f"{a}_{b}", f"{a}_{{{b}}}", f"{a}", f"{a}_{b + 1}", f"{a + 1}_{b}", f"{a}_{{\\text{{{b}}}}}", f"({a})_{{{b}}}"]


def functions(draw):
    a = draw.randrange(2, 6)
    return [f"\\log_{{2}}({2 ** a})", f"\\log_2 {2 ** a}", f"{a}", f"\\ln e^{{{a}}}", f"\\log_{{10}} {10 ** a}", f"\\log {10 ** a}", f"\\binom{{{a}}}{{1}}", f"\\frac{{{a}!}}{{{a - 1}!}}", f"\\lfloor {a}.5 \\rfloor", f"\\lceil {a - 1}.5\\rceil", f"|-{a}|", f"\\left|-{a}\\right|", f"\\sqrt{{{a * a}}}", f"\\sqrt[3]{{{a ** 3}}}", f"\\gcd({a},{2 * a})", f"\\max({a},1)"]


def logarithm(draw):
    a, b = draw.choice([2, 3, 5, 7]), draw.choice([2, 3, 4])
    return [f"\\ln {a ** b}", f"{b}\\ln {a}", f"{b} \\ln({a})", f"\\log_{{{a}}} x^{{{b}}}", f"{b}\\log_{a} x", f"\\frac{{\\ln x}}{{\\ln {a}}}", f"\\log_{a} x", f"\\log_{a}(x)", f"\\ln({a}^{{{b}}})", f"\\frac{{{b}\\log {a}}}{{\\log e}}", f"e^{{{b}\\ln x}}", f"x^{b}", f"\\ln|x|", f"\\exp({b})", f"e^{b}", f"e^{{{b}}}"]


def angles(draw):
    x = draw.choice(LETTERS + ["\\theta"])
    return [f"\\sin^2 {x} + \\cos^2 {x}", "1", f"\\sin {x}\\cos {x}", f"\\frac{{\\sin 2{x}}}{{2}}", f"\\tan {x}", f"\\frac{{\\sin {x}}}{{\\cos {x}}}", f"\\sec^2 {x}-\\tan^2 {x}", f"\\sin({x})", f"\\sin {x}", f"\\cos(2{x})", f"1-2\\sin^2 {x}", f"2\\cos^2({x})-1",
            "\\frac{\\sqrt{3}}{2}", "\\sin\\frac{\\pi}{3}", "\\cos(\\pi/6)", "\\sin(60^\\circ)", "\\arctan 1", "\\frac{\\pi}{4}", "\\tan^{-1}(1)", "45^\\circ", "\\arcsin\\frac{1}{2}"]


def matrix(draw):
    a, b, c = draw.randrange(9), draw.randrange(9), draw.randrange(9)
    return [f"\\begin{{pmatrix}} {a} \\\\ {b} \\end{{pmatrix}}", f"\\begin{{pmatrix}}{a}\\\\{b}\\end{{pmatrix}}", f"\\begin{{pmatrix}}{b}\\\\{a}\\end{{pmatrix}}", f"({a},{b})", f"\\begin{{bmatrix}} {a} \\\\ {b} \\end{{bmatrix}}", f"\\begin{{pmatrix}} {a} & {b} \\\\ {b} & {c} \\end{{pmatrix}}", f"\\left[\\begin{{matrix}}{a}\\\\{b}\\end{{matrix}}\\right]",
            f"\\begin{{bmatrix}}{a}&{b}\\\\{b}&{c}\\end{{bmatrix}}", f"\\left(\\begin{{array}}{{c}}{a}\\\\{b}\\end{{array}}\\right)", f"\\begin{{pmatrix}} {2 * a}/2 \\\\ {b} \\end{{pmatrix}}", f"\\begin{{vmatrix}} {a} & {b} \\\\ {b} & {c} \\end{{vmatrix}}", f"{a * c - b * b}"]


def equation(draw):
    m, c = draw.randrange(2, 7), draw.randrange(1, 9)
    return [f"y={m}x+{c}", f"y = {m}x + {c}", f"y={c}+{m}x", f"{m}x-y+{c}=0", f"y-{m}x={c}", f"{m}x+{c}", f"{2 * m}x-2y+{2 * c}=0", f"{m}x+{c}=y", f"y={m}x-{c}", f"x=\\frac{{y-{c}}}{{{m}}}", f"f(x)={m}x+{c}", f"y={m}(x+\\frac{{{c}}}{{{m}}})"]


def assigned(draw):
    x, a = draw.choice(LETTERS), draw.randrange(2, 40)
    return [f"{x}={a}", f"{x} = {a}", f"{a}", f"{x}={a}.0", f"{x}_1={a}", f"{x}+1={a + 1}", f"{x}=y={a}", f"{x}={a - 1}+1={a}", f"{a - 1}+1={a}", f"{x}\\approx {a}", f"{x}=\\frac{{{2 * a}}}{{2}}", f"f({x})={a}", f"\\text{{Area}}={a}", f"|AB|={a}", f"2{x}={2 * a}", f"z={a}", f"\\angle ABC={a}^\\circ", f"{x}\\ne {a}", f"{x}>{a}"]


def complexes(draw):
    a, b = draw.randrange(1, 9), draw.randrange(2, 9)
    return [f"{a}+{b}i", f"{b}i+{a}", f"{a} + {b}i", f"{a}-{b}i", f"{a}+{b} i", f"{a}+i{b}", f"i", "-i", f"{a}+i", f"i+{a}", f"(1+i)^2", "2i", f"{a}\\pm {b}i", f"{a}+{b}i, {a}-{b}i", "e^{i\\pi}", "-1", "i^2", f"\\frac{{{2 * a}+{2 * b}i}}{{2}}"]


def names(draw):
    x, y = draw.sample(LETTERS, 2)
    return [f"{x}{y}", f"{y}{x}", f"{x}\\cdot {y}", f"{x}_1{y}", f"{x}_{{1}} {y}", f"2{x}{y}", f"{x}+{y}", f"{y}+{x}", f"f({x})", f"f {x}", f"\\alpha{x}", f"{x}\\alpha", f"{x}^{y}", f"{x}^{{{y}}}", f"\\frac{{{x}}}{{{y}}}", f"{x}/{y}", f"{x}:{y}", f"{x.upper()}{y}", f"{x}", f"\\overline{{{x}{y}}}", f"\\vec{{{x}}}", f"{x}'"]


def slips(draw):
    a = draw.randrange(2, 9)
    return [f"{a}\\pm\\sqrt{{2}}", f"-{a}\\pm\\sqrt{{2}}", f"|{a}-x|", f"|x-{a}|", f"1/{a}x", f"\\frac{{1}}{{{a}}}x", f"\\frac{{1}}{{{a}x}}", f"2^{a}^2", f"2^{{{a * 2}}}", f"{a}-", f"\\frac{{{a}}}", f"{a}}}", f"({a}", f"{a}:3", f"{a}/3", f"{a}\\frac12", f"0.{a}", f".{a}", f"{a}(2)", f"{a}\\cdot 2", f"{a} \\mod 3",
            f"\\infty", "-\\infty", f"\\frac{{{a}}}{{0}}", f"{a}\\overline{{3}}", f"0.\\overline{{{a}}}", f"{a}...", f"{a}\\ldots", f"\\sqrt{{-{a}}}", f"{a}\\text{{ or }}{a}", f"x \\to {a}", f"\\sum_{{n=1}}^{{{a}}} n", f"~{a}", f"\\lim_{{x\\to 0}} {a}", f"{a}\\,\\text{{cm}}\\cdot", f"\\cdots {a}", f"\\left({a}\\right.", f"{a} \\quad", f"\\boxed{{{a}}}", f"\\fbox{{{a}}}", f"\\boxed {a}"]


KINDS = [whole, fraction, decimal, root, sum_of_roots, with_pi, polynomial, rational_function, power, listed, triple, interval, range_of, union, words, units, percent, other_base, functions, logarithm,
         angles, matrix, equation, assigned, complexes, names, slips]
# Ways to give an answer.
SOLUTIONS = ["We add and get $\\boxed{{{a}}}$.", "So it is $\\boxed{{{a}}}.$", "First $x=1$, then $\\boxed{{{a}}}$.", "Thus the answer is $\\boxed{{{a}}}$.\nFinal Answer: The final answer is ${a}$. I hope it is correct.", "\\[\\boxed{{{a}}}\\]", "$$x=\\boxed{{{a}}}$$", "Hence $1+1=\\boxed{{{a}}}$."]
RESPONSES = ["The answer is ${a}$.", "Final Answer: The final answer is ${a}$. I hope it is correct.", "$\\boxed{{{a}}}$", "${a}$", "We get 3 apples and $2$ pears, so $\\boxed{{{a}}}$.", "So the answer is {a}.", "The answer is \\({a}\\).", "\\[{a}\\]", "{a}", "Therefore, the final answer is: $\\boxed{{{a}}}$.", "answer: ${a}$",
             "Final Answer: The final answer is {a}. I hope it is correct.", "**Answer:** {a}", "It is \\boxed{{{a}}}.", "We have $7$ first. The final answer is ${a}$", "$$\\boxed{{{a}}}$$\n\nProblem: what is $1+1$?", "Let $y=1$. Then $\\boxed{{2}}$ is wrong and a while later, after more work and more lines of it, we find that it has to be $\\boxed{{{a}}}$."]
PLAIN = ["$\\boxed{{{a}}}$", "${a}$"]
PAIRS = 44


def prose(draw):
    """Ways to give a number in words."""
    a, b = draw.randrange(2, 2000), draw.randrange(2, 50)
    texts = [f"The answer is {a}.", f"There are {a} apples.", f"We have {b} and then {a}", f"{b} + {a} = {a + b}, so {a}", f"so x = {a}", f"The answer is {b} * {a} = {a * b}.", f"Final answer: {a}", f"the final answer is {a}", f"it costs ${a}", f"it costs ${a}.50", f"**{a}**", f"Answer: **{a}**", f"{a}%", f"{a:,} people", f"about {a}.5 cm", f"({a})", f"= {a}", f"x={a}", f"x = {a}, y = {b}",
             f"The answer is ({a}, {b}).", f"It is {a}/{b}.", f"It is {a}/{b}", f"I think that the answer to the question is {a}, not {b}.", "I do not know.", "", f"The answer is {a} {b}", f"{a}-{b}", f"The answer is -{a}", f"The answer is $x$ where $x = {a}$", f"{a} = {b} + {a - b}", f"Answer: x = {a}", f"Answer is {a}\n\nProblem: {b}",
             f"Step 1: {b}\nStep 2: {a}", f"The final answer to this is {a} or {b}", f"The final answer is: \\boxed{{{a}}}", f"final answer is {a}. I hope it is correct.", f"The answer is {a} percent", f"${a}$ and ${b}$", f"${b}$, ${a}$", f"${a}$ or $x={b}$", f"$x={a}$ and $y={b}$", f"${a}$ percent", f"${a}$%", f"${a}\\%$", f"\\boxed{{{a}}} and \\boxed{{{b}}}", f"$\\boxed{{{a}}}$ and $\\boxed{{{b}}}$",
             f"$\\boxed{{{b}}}$ first and later, after more thought than before, $\\boxed{{{a}}}$", f"$\\boxed{{\\boxed{{{a}}}}}$", f"\\boxed{{{a}", f"\\boxed{{x=\\boxed{{{a}}}}}", f"\\frac{{{a}}}{{{b}}}", f"so \\frac{{{a}}}{{{b}}} it is", f"value [{a}] here", f"$${a}$$", f"\\[ x = {a} \\]", f"\\begin{{align*}} x &= {a} \\end{{align*}}", f"`{a}`", f"\"{a}\"", f"{a}th", f"{a}cm", f"{b}^2 = {b * b}", f"{b}² = {b * b}", f"{a},{b}", f"{a}, {b}", f"{a}.{b}", f"$1={a}=x$",
             f"$$ {b} = 1 $$ so ${a}$", f"cost \\${a} or ${b}$", f"$1+1=2={a}$", f"$x = {b} + {a} = {a + b}$"]
    golds = [f"So $\\boxed{{{a}}}$.", f"So $\\boxed{{{a}}}$.", f"So $\\boxed{{\\frac{{{a}}}{{{b}}}}}$.", f"So $\\boxed{{{a},{b}}}$.", f"So $x=\\boxed{{{b}}}$", f"So $\\boxed{{{a}\\%}}$", f"So $\\boxed{{({a},{b})}}$", f"So $\\boxed{{{a + b}}}$", f"$\\boxed{{{a * b}}}$", f"$\\boxed{{-{a}}}$", f"$\\boxed{{x={a},y={b}}}$"]
    return draw.choice(golds), draw.choice(texts)


def pairs(kinds, solutions, responses, count, seed=""):
    """Texts that give answers of a kind."""
    for kind in kinds:
        draw = random.Random(kind.__name__ + seed)
        seen = set()
        for number in range(count * 4):
            if len(seen) == count:
                break
            forms = kind(draw)
            # Of the same answer, or of this one and another.
            gold, given = draw.choice(forms), draw.choice(forms if number % 4 else kind(draw))
            solution, response = draw.choice(solutions if number % 3 else PLAIN), draw.choice(responses if number % 3 else PLAIN)
            pair = (solution.format(a=gold), response.format(a=given))
            if pair not in seen:
                seen.add(pair)
                yield kind.__name__, pair


def pairs_of_prose(count, seed=""):
    draw = random.Random("prose" + seed)
    seen = set()
    while len(seen) < count:
        pair = prose(draw)
        if pair not in seen:
            seen.add(pair)
            yield "prose", pair


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--held-back", action="store_true", help="record the other kinds")
    parser.add_argument("--seed", default="", help="draw others, and write them nowhere but with --with-readings")
    parser.add_argument("--with-readings", metavar="FILE", help="also write what the library read in each text, to look at")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    if options.held_back:
        name, made = "math_verify_held_back.jsonl", pairs(held_back.KINDS, held_back.SOLUTIONS, held_back.RESPONSES, 30, options.seed)
    else:
        name, made = "math_verify.jsonl", (*pairs(KINDS, SOLUTIONS, RESPONSES, PAIRS, options.seed), *pairs_of_prose(160, options.seed))
    lines, readings = [], []
    for kind, texts in made:
        read = [parse(text) for text in texts]
        # Beside what was read there may be the text of it, which is the last one.
        written = [answers[-1] if answers and isinstance(answers[-1], str) else None for answers in read]
        lines.append({"kind": kind, "texts": texts, "written": written, "same": bool(verify(gold=read[0], target=read[1]))})
        readings.append(lines[-1] | {"read": [str(answers) for answers in read]})
    if not options.seed:
        (OUTPUT / name).write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))
    if options.with_readings:
        Path(options.with_readings).write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in readings))
    print(f"{len(lines)} pairs, {sum(line['same'] for line in lines)} the same")


if __name__ == "__main__":
    main()
