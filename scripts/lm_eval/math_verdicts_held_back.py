"""Kinds of answers for `math_verdicts.py --held-back`: written without looking at verdicts, recorded and compared only at the end."""


def probability(draw):
    n, k = draw.randrange(3, 12), draw.randrange(1, 3)
    return [f"\\frac{{{k}}}{{{n}}}", f"{k}/{n}", f"{k / n:.3f}", f"{100 * k / n:.1f}\\%", f"\\frac{{\\binom{{{n}}}{{1}}\\cdot {k}}}{{{n * n}}}", f"1-\\frac{{{n - k}}}{{{n}}}", f"P(A)=\\frac{{{k}}}{{{n}}}", f"\\frac{{{k}!}}{{{n}}}", f"{k}\\text{{ out of }}{n}", f"P = {k}/{n}", f"{k}:{n - k}"]


def area(draw):
    r = draw.randrange(2, 15)
    return [f"{r * r}\\pi", f"\\pi {r}^2", f"\\pi\\cdot {r * r}\\text{{ square cm}}", f"A = {r * r}\\pi", f"{r * r}\\,\\pi\\;\\text{{cm}}^2", f"{3.141592653589793 * r * r:.6f}", f"{3.141592653589793 * r * r:.1f}", f"\\dfrac{{{2 * r * r}\\pi}}{{2}}", f"{r * r} \\pi \\mathrm{{cm}}^2", f"({r})^2\\pi", f"S_{{\\triangle}} = {r * r}"]


def money(draw):
    a, c = draw.randrange(1, 9999), draw.randrange(10, 99)
    return [f"\\${a}.{c}", f"{a}.{c}", f"\\${a:,}.{c}", f"{a}.{c}\\text{{ dollars}}", f"{a:,}.{c}", f"\\text{{\\${a}.{c}}}", f"\\$ {a}.{c}", f"{a * 100 + c}\\text{{ cents}}", f"{a}{c}", f"{a}.{c}0", f"\\pounds {a}"]


def vertex(draw):
    a, b = draw.randrange(-9, 9), draw.randrange(-9, 9)
    return [f"({a},{b})", f"\\left({a}, {b}\\right)", f"({a}, {b})", f"x={a}, y={b}", f"({a};{b})", f"(x, y) = ({a}, {b})", f"\\left( \\frac{{{2 * a}}}{{2}}, {b} \\right)", f"\\left\\{{ {a}, {b} \\right\\}}", f"P({a},{b})", f"({b},{a})", f"\\langle {a}, {b} \\rangle", f"x={a}\\text{{ and }}y={b}", f"({a}, {b}.0)"]


def solutions_of_quadratic(draw):
    a, b = draw.randrange(-9, 0), draw.randrange(1, 9)
    return [f"{a}, {b}", f"x = {a}, {b}", f"x={a}\\text{{ or }}x={b}", f"\\{{{a},{b}\\}}", f"{b},{a}", f"x_1 = {a}, x_2 = {b}", f"x \\in \\{{{a}, {b}\\}}", f"(x{-a:+d})(x{-b:+d})=0", f"x = {b} \\quad\\text{{or}}\\quad x = {a}", f"{a} \\mbox{{ and }} {b}", f"x={a} and x={b}", f"x^2{-(a + b):+d}x{a * b:+d}=0"]


def square_root_quotient(draw):
    a, b = draw.choice([2, 3, 5]), draw.randrange(2, 8)
    return [f"\\frac{{{b}}}{{\\sqrt{{{a}}}}}", f"\\frac{{{b}\\sqrt{{{a}}}}}{{{a}}}", f"{b}/\\sqrt{{{a}}}", f"\\sqrt{{\\frac{{{b * b}}}{{{a}}}}}", f"{b}\\cdot {a}^{{-1/2}}", f"\\frac{{{b}}}{{{a}}}\\sqrt{a}", f"\\frac {{{b} \\sqrt {{{a}}}}} {{{a}}}", f"{b / a ** .5:.6f}", f"{b / a ** .5:.2f}", f"\\sqrt{{{b * b}/{a}}}"]


def expression_in_n(draw):
    n, a = draw.choice("nmt"), draw.randrange(2, 9)
    return [f"\\frac{{{n}({n}+1)}}{{2}}", f"\\frac{{{n}^2+{n}}}{{2}}", f"\\binom{{{n}+1}}{{2}}", f"\\frac12 {n}({n}+1)", f"0.5{n}^2+0.5{n}", f"{n}({n}+1)/2", f"\\frac{{{n}}}{{2}}({n}+1)", f"{a}^{{{n}}}", f"{a}^{n}", f"{a}\\cdot {a}^{{{n}-1}}", f"{a}^{{{n}+1}}/{a}", f"S_{n} = \\frac{{{n}({n}+1)}}{{2}}", f"({a})^{{{n}}}"]


def two_names(draw):
    a = draw.randrange(2, 9)
    return [f"(x+y)^{a}", f"x^2+2xy+y^2", "(x+y)^2", "(y+x)(x+y)", "x^2+y^2+2xy", f"{a}(x+y)", f"{a}x+{a}y", f"x y", "yx", f"\\frac{{x}}{{y}}+\\frac{{y}}{{x}}", "\\frac{x^2+y^2}{xy}", "x^2-y^2", "(x-y)(x+y)", f"{a}x^{{2}}y", f"{a}yx^2"]


def inequality(draw):
    a, b = draw.randrange(-9, 0), draw.randrange(1, 9)
    return [f"{a} < x < {b}", f"x \\in ({a}, {b})", f"({a}, {b})", f"{b} > x > {a}", f"{a} \\lt x \\lt {b}", f"[{a}, {b}]", f"x > {a}", f"x \\geq {a}", f"[{a}, \\infty)", f"({a}, \\infty)", f"\\left( {a}, +\\infty \\right)", f"{a} \\le x", f"x\\le{a}\\text{{ or }}x\\ge{b}", f"(-\\infty,{a}]\\cup[{b},\\infty)", f"({a},0)\\cup(0,{b})", f"{a} \\leqslant x \\leqslant {b}", f"|x| < {b}"]


def choice_letter(draw):
    letter = draw.choice("ABCDE")
    return [f"\\text{{{letter}}}", f"\\textbf{{({letter})}}", f"({letter})", letter, f"\\text{{({letter}) }} 5", f"\\mathrm{{{letter}}}", letter.lower(), f"\\textbf{{{letter}}}", f"\\text{{{letter}.}}", f"\\mathbf{{({letter})}}\\ 12", f"{letter}."]


def one_word(draw):
    word = draw.choice(["circle", "hyperbola", "Monday", "Evelyn", "increasing", "line", "true", "undefined", "none of these"])
    return [f"\\text{{{word}}}", word, f"\\mathrm{{{word}}}", f"\\text{{a {word}}}", f"\\text{{{word.capitalize()}}}", f"\\textit{{{word}}}", f"\\text{{{word}.}}", f"\\mbox{{{word}}}", word.upper(), f"\\text{{ {word} }}"]


def large(draw):
    a, e = draw.randrange(2, 99), draw.randrange(3, 12)
    return [f"{a} \\times 10^{{{e}}}", f"{a}\\cdot 10^{e}", f"{a * 10 ** e}", f"{a * 10 ** e:,}", f"{a / 10} \\times 10^{{{e + 1}}}", f"{a}e{e}", f"{a}E{e}", f"{a}{{,}}000", f"10^{{{e}}}\\times{a}", f"{a} \\text{{ million}}", f"{a}!", f"2^{{{a}}}", f"\\frac{{{a}!}}{{{a - 1}!}}"]


def vectors(draw):
    a, b, c = (draw.randrange(-5, 9) for _ in range(3))
    return [f"\\begin{{pmatrix}} {a} \\\\ {b} \\\\ {c} \\end{{pmatrix}}", f"\\begin{{bmatrix}}{a}\\\\{b}\\\\{c}\\end{{bmatrix}}", f"({a},{b},{c})", f"\\begin{{pmatrix}} {a} & {b} & {c} \\end{{pmatrix}}", f"\\left( {a}, {b}, {c} \\right)", f"\\mathbf{{v}} = \\begin{{pmatrix}} {a} \\\\ {b} \\\\ {c} \\end{{pmatrix}}", f"{a}\\mathbf{{i}} + {b}\\mathbf{{j}} + {c}\\mathbf{{k}}", f"{a}i+{b}j+{c}k", f"-\\begin{{pmatrix}} {-a} \\\\ {-b} \\\\ {-c} \\end{{pmatrix}}", f"\\begin{{pmatrix}} {a} \\\\ {b} \\\\ {c + 1} \\end{{pmatrix}}"]


def trigonometric(draw):
    a = draw.choice([3, 4, 6])
    return [f"\\sin \\frac{{\\pi}}{{{a}}}", f"\\cos\\left(\\frac{{\\pi}}{{{a}}}\\right)", f"\\tan\\frac{{\\pi}}{{{a}}}", "\\frac{1}{2}", "\\frac{\\sqrt{2}}{2}", "\\frac{\\sqrt{3}}{2}", "\\sqrt{3}", "1", f"\\frac{{\\pi}}{{{a}}}", f"\\theta = \\frac{{\\pi}}{{{a}}}", f"{180 // a}^\\circ", f"{180 // a}^{{\\circ}}", f"\\cos x \\sin x", "\\frac12 \\sin(2x)", "\\sin x \\cdot \\cos x", "\\arccos\\frac{1}{2}", "\\csc x", "\\frac{1}{\\sin x}", f"\\frac{{\\pi}}{{{a}}} + 2k\\pi"]


def chain(draw):
    a, b = draw.randrange(2, 40), draw.randrange(2, 40)
    return [f"{a}+{b}={a + b}", f"{a}\\cdot {b} = {a * b}", f"x = {a} + {b} = {a + b}", f"{a + b}", f"{a * b}", f"x = {a + b}", f"A = {a} \\times {b} = {a * b}", f"{a}^2 = {a * a}", f"{a * a}", f"a + b = {a + b}", f"f({a}) = {a * a} = {a}^2", f"\\frac{{{a * b}}}{{{b}}} = {a}", f"{a}", f"\\sqrt{{{a * a}}} = {a}", f"x \\approx {a + b}.0", f"n \\equiv {a} \\pmod {{{a + b}}}", f"{a} \\equiv {a}", f"x = y = {a}"]


KINDS = [probability, area, money, vertex, solutions_of_quadratic, square_root_quotient, expression_in_n, two_names, inequality, choice_letter, one_word, large, vectors, trigonometric, chain]
SOLUTIONS = ["By symmetry there are $12$ cases, of which we count $5$. Therefore, the answer is $\\boxed{{{a}}}$.", "Let $x = 3$. Then\n\\begin{{align*}}\nx+1&=4,\\\\\nx+2&=5,\n\\end{{align*}}so we have $\\boxed{{{a}}}.$", "We factor, and get \\[\\boxed{{{a}}}.\\] This works.", "The value is $1+2=3$, hence $y=\\boxed{{{a}}}$, as $z<2$.\nFinal Answer: The final answer is ${a}$. I hope it is correct."]
RESPONSES = ["## Step 1: Set it up\nWe have $n = 2$.\n\n## Step 2: Solve\nThe value is 17.\n\nThe final answer is: $\\boxed{{{a}}}$", "First, $3+4=7$. Then we see that \\( {a} \\) follows.\n\n**Final Answer:** \\( \\boxed{{{a}}} \\)", "We think about it. So ${a}$", "Thus, the answer is ${a}$.\nFinal Answer: The final answer is ${a}$. I hope it is correct.\n\nProblem:", "<think>maybe 5?</think> The correct answer is: {a}.", "$$\n\\boxed{{{a}}}\n$$", "It follows that\n\\[\n{a}\n\\]", "Final Answer: The final answer is ${a}$", "The solution is therefore {a}", "1. We have $a=1$.\n2. We have $b=2$.\n3. So the answer is **${a}$**.", "Solution: $\\boxed{{{a}}}$. Check: $1 + 1 = 2$."]
