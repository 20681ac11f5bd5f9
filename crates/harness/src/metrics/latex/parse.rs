//! From tokens to expressions.

use super::cursor::Cursor;
use super::expression::{Expression, Function};
use super::fraction::Fraction;
use super::token::{LatexToken, tokens};

/// What a text says, as far as it is an expression. None where it is none, or a relation, or nothing that is known here
/// (integrals, sums, limits, derivatives).
pub(in super::super) fn parse(text: &str) -> Option<Expression> {
    let tokens = tokens(text.trim());
    if tokens.len() > LONGEST {
        return None;
    }
    let mut parser = Parser { cursor: Cursor::new(tokens), bars: 0, depth: 0 };
    let expression = parser.sum()?;
    match parser.cursor.peek() {
        Some(LatexToken::Sign('<' | '=') | LatexToken::Unknown) => None,
        _ => Some(expression),
    }
}

/// More tokens than these are no answer.
const LONGEST: usize = 1000;
/// Deeper than this nothing is read.
const DEEPEST: usize = 100;

struct Parser {
    cursor: Cursor,
    /// Bars that are open: the next one closes.
    bars: usize,
    depth: usize,
}

/// Whether a function may begin here.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Functions {
    Allowed,
    NotAllowed,
}

impl Parser {
    /// Sums of products.
    fn sum(&mut self) -> Option<Expression> {
        let mut sum = self.product(Functions::Allowed)?;
        loop {
            let product = if self.cursor.skip('+') {
                self.product(Functions::Allowed)?
            } else if self.cursor.skip('-') {
                Expression::Negative(Box::new(self.product(Functions::Allowed)?))
            } else {
                return Some(sum);
            };
            sum = Expression::Sum(Box::new(sum), Box::new(product));
        }
    }

    /// Products and quotients with a sign between their parts.
    fn product(&mut self, functions: Functions) -> Option<Expression> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return None;
        }
        let mut product = self.signed(functions)?;
        loop {
            if self.cursor.skip('*') {
                product = Expression::Product(Box::new(product), Box::new(self.signed(functions)?));
            } else if self.cursor.skip('/') {
                product = Expression::Quotient(Box::new(product), Box::new(self.signed(functions)?));
            } else {
                self.depth -= 1;
                return Some(product);
            }
        }
    }

    /// Factors side by side, with their signs.
    fn signed(&mut self, functions: Functions) -> Option<Expression> {
        let mut negative = false;
        loop {
            if self.cursor.skip('-') {
                negative = !negative;
            } else if !self.cursor.skip('+') {
                break;
            }
        }
        // The first one may be a function in either case.
        let mut factors = vec![self.factor(Functions::Allowed)?];
        while self.begins(functions) {
            factors.push(self.factor(functions)?);
        }
        let product = side_by_side(factors)?;
        Some(if negative { Expression::Negative(Box::new(product)) } else { product })
    }

    /// Whether a factor begins here.
    fn begins(&self, functions: Functions) -> bool {
        match self.cursor.peek() {
            Some(
                LatexToken::Sign('(' | '[' | '{')
                | LatexToken::Digit(_)
                | LatexToken::Letter(_)
                | LatexToken::Differential(_),
            ) => true,
            Some(LatexToken::Sign('|')) => self.bars == 0,
            Some(LatexToken::Command(name)) => match name.as_str() {
                "}" | "right|" | "rangle" | "rfloor" | "rceil" | "to" | "rightarrow" | "Rightarrow"
                | "longrightarrow" | "Longrightarrow" => false,
                "sqrt" | "overline" | "log" | "ln" | "lg" | "lim" | "int" | "sum" | "prod" => {
                    functions == Functions::Allowed
                }
                name => Function::of_command(name).is_none() || functions == Functions::Allowed,
            },
            _ => false,
        }
    }

    /// A power, and what stands behind it.
    fn factor(&mut self, functions: Functions) -> Option<Expression> {
        let mut factor = self.power(functions)?;
        loop {
            if self.cursor.skip('!') {
                factor = Expression::Of(Function::Factorial, Box::new(factor));
            } else if self.cursor.is_sign('|') && matches!(self.cursor.behind(1), Some(LatexToken::Sign('^' | '_'))) {
                // What it is at a place.
                return None;
            } else {
                return Some(factor);
            }
        }
    }

    /// Exponents are taken from the left: `a^b^c` is `(a^b)^c`.
    fn power(&mut self, functions: Functions) -> Option<Expression> {
        let mut base = self.component(functions)?;
        while self.cursor.skip('^') {
            let exponent = self.braced_or_atom()?;
            if self.cursor.is_sign('_') {
                self.subscript()?;
            }
            base = Expression::Power(Box::new(base), Box::new(exponent));
        }
        Some(base)
    }

    fn braced_or_atom(&mut self) -> Option<Expression> {
        if self.cursor.is_sign('{') { self.enclosed('{', '}') } else { self.atom(Functions::NotAllowed) }
    }

    /// What stands below a name, as a part of it.
    fn subscript(&mut self) -> Option<String> {
        self.cursor.expect('_')?;
        Some(match self.braced_or_atom()? {
            Expression::Name(name) => name,
            Expression::Number(_, value) => value.to_string(),
            other => format!("{other:?}"),
        })
    }

    fn enclosed(&mut self, open: char, close: char) -> Option<Expression> {
        self.cursor.expect(open)?;
        // Bars outside do not close inside.
        let bars = std::mem::take(&mut self.bars);
        let inner = self.sum()?;
        self.bars = bars;
        self.cursor.expect(close)?;
        Some(inner)
    }

    fn component(&mut self, functions: Functions) -> Option<Expression> {
        let of = |function, inner| Some(Expression::Of(function, Box::new(inner)));
        match self.cursor.peek()? {
            LatexToken::Sign('(') => self.enclosed('(', ')'),
            LatexToken::Sign('[') => self.enclosed('[', ']'),
            LatexToken::Sign('{') => self.enclosed('{', '}'),
            LatexToken::Sign('|') => {
                self.cursor.expect('|')?;
                self.bars += 1;
                let inner = self.sum()?;
                self.bars -= 1;
                self.cursor.expect('|')?;
                of(Function::Abs, inner)
            }
            LatexToken::Command(name) => match name.clone().as_str() {
                "{" => {
                    self.cursor.at += 1;
                    let inner = self.sum()?;
                    self.cursor.expect_command("}")?;
                    Some(inner)
                }
                "lfloor" => {
                    self.cursor.at += 1;
                    let inner = self.sum()?;
                    self.cursor.expect_command("rfloor")?;
                    of(Function::Floor, inner)
                }
                "lceil" => {
                    self.cursor.at += 1;
                    let inner = self.sum()?;
                    self.cursor.expect_command("rceil")?;
                    of(Function::Ceiling, inner)
                }
                "sqrt" => self.root(),
                "overline" => {
                    self.cursor.at += 1;
                    let inner = self.enclosed('{', '}')?;
                    of(Function::Conjugate, inner)
                }
                "lim" | "int" | "sum" | "prod" | "langle" | "left|" => None,
                name @ ("log" | "ln" | "lg") => self.logarithm(name),
                name => match Function::of_command(name) {
                    Some(function) => self.function(function),
                    None => self.atom(functions),
                },
            },
            _ => self.atom(functions),
        }
    }

    fn root(&mut self) -> Option<Expression> {
        self.cursor.at += 1;
        let index = if self.cursor.is_sign('[') { Some(self.enclosed('[', ']')?) } else { None };
        let base = self.enclosed('{', '}')?;
        let index = index.unwrap_or_else(|| number("2"));
        let exponent = Expression::Quotient(Box::new(number("1")), Box::new(index));
        Some(Expression::Power(Box::new(base), Box::new(exponent)))
    }

    /// What stands below and above a function's name, in either order.
    fn scripts(&mut self) -> Option<(Option<Expression>, Option<Expression>)> {
        let (mut below, mut above) = (None, None);
        loop {
            if below.is_none() && self.cursor.skip('_') {
                below = Some(self.script()?);
            } else if above.is_none() && self.cursor.skip('^') {
                above = Some(self.script()?);
            } else {
                return Some((below, above));
            }
        }
    }

    /// What stands below or above a function's name. The last of several digits is what the function is of, where nothing
    /// else is.
    fn script(&mut self) -> Option<Expression> {
        if !matches!(self.cursor.peek(), Some(LatexToken::Digit(_))) {
            return self.braced_or_atom();
        }
        let mut digits = self.cursor.digits();
        let goes_on = self.begins(Functions::NotAllowed)
            || matches!(self.cursor.peek(), Some(LatexToken::Sign('+' | '-' | '^' | '_')));
        if !goes_on && digits.len() > 1 {
            digits.pop();
            self.cursor.at -= 1;
        }
        Some(number(&digits))
    }

    /// What a function is of: the first of what stands in parentheses, or a product.
    fn argument(&mut self) -> Option<Expression> {
        if !self.cursor.skip('(') {
            return self.product(Functions::NotAllowed);
        }
        let bars = std::mem::take(&mut self.bars);
        let first = self.sum()?;
        while self.cursor.skip(',') {
            self.sum()?;
        }
        self.bars = bars;
        self.cursor.expect(')')?;
        Some(first)
    }

    fn function(&mut self, function: Function) -> Option<Expression> {
        self.cursor.at += 1;
        let (_, above) = self.scripts()?;
        let argument = Box::new(self.argument()?);
        Some(match (above, function.inverse()) {
            (Some(above), Some(inverse)) if above == Expression::Negative(Box::new(number("1"))) => {
                Expression::Of(inverse, argument)
            }
            (Some(above), _) => Expression::Power(Box::new(Expression::Of(function, argument)), Box::new(above)),
            (None, _) => Expression::Of(function, argument),
        })
    }

    fn logarithm(&mut self, name: &str) -> Option<Expression> {
        self.cursor.at += 1;
        let (below, above) = self.scripts()?;
        let base = below.or_else(|| (name == "lg").then(|| number("10"))).map(Box::new);
        let logarithm = Expression::Logarithm(Box::new(self.argument()?), base);
        Some(match above {
            Some(above) => Expression::Power(Box::new(logarithm), Box::new(above)),
            None => logarithm,
        })
    }

    fn atom(&mut self, functions: Functions) -> Option<Expression> {
        match self.cursor.peek()?.clone() {
            LatexToken::Digit(_) => self.number(),
            LatexToken::Letter(letter) => {
                self.cursor.at += 1;
                self.name(letter.to_string(), true, functions)
            }
            LatexToken::Differential(name) => {
                self.cursor.at += 1;
                Some(Expression::Name(format!("d{name}")))
            }
            LatexToken::Command(name) => match name.as_str() {
                "frac" | "dfrac" | "tfrac" => self.fraction(),
                "binom" | "dbinom" | "tbinom" => {
                    self.cursor.at += 1;
                    let (of, chosen) = (self.enclosed('{', '}')?, self.enclosed('{', '}')?);
                    Some(Expression::Binomial(Box::new(of), Box::new(chosen)))
                }
                "mathit" => self.italic(),
                "{" | "}" | "sqrt" | "overline" | "log" | "ln" | "lg" | "lim" | "int" | "sum" | "prod" | "lfloor"
                | "rfloor" | "lceil" | "rceil" | "langle" | "rangle" | "left|" | "right|" | "to" | "rightarrow"
                | "Rightarrow" | "longrightarrow" | "Longrightarrow" => None,
                name if Function::of_command(name).is_some() => None,
                "infty" => {
                    self.cursor.at += 1;
                    Some(Expression::Infinity)
                }
                name => {
                    self.cursor.at += 1;
                    self.name(name.to_owned(), false, functions)
                }
            },
            _ => None,
        }
    }

    /// A name with what belongs to it; behind it, parentheses make it a function.
    fn name(&mut self, mut name: String, primed: bool, functions: Functions) -> Option<Expression> {
        let (mut below, mut primes) = (false, false);
        loop {
            match self.cursor.peek() {
                Some(LatexToken::Sign('_')) if !below => {
                    let subscript = self.subscript()?;
                    name = format!("{name}_{{{subscript}}}");
                    below = true;
                }
                Some(&LatexToken::Primes(count)) if !primes => {
                    self.cursor.at += 1;
                    if primed {
                        name.push_str(&"'".repeat(count));
                    }
                    primes = true;
                }
                _ => break,
            }
        }
        if functions == Functions::NotAllowed || !self.cursor.skip('(') {
            return Some(Expression::Name(name));
        }
        let bars = std::mem::take(&mut self.bars);
        let mut of = vec![self.sum()?];
        while self.cursor.skip(',') {
            of.push(self.sum()?);
        }
        self.bars = bars;
        self.cursor.expect(')')?;
        Some(Expression::Applied(name, of))
    }

    /// Digits, with commas before groups of three, and decimals.
    fn number(&mut self) -> Option<Expression> {
        let mut digits = self.cursor.digits();
        loop {
            let [comma, a, b, c] = [0, 1, 2, 3].map(|offset| self.cursor.behind(offset).cloned());
            match (comma, a, b, c) {
                (
                    Some(LatexToken::Sign(',')),
                    Some(LatexToken::Digit(a)),
                    Some(LatexToken::Digit(b)),
                    Some(LatexToken::Digit(c)),
                ) => {
                    digits.extend([a, b, c]);
                    self.cursor.at += 4;
                }
                // It had to be looked at.
                (Some(LatexToken::Sign(',')), Some(LatexToken::Unknown), ..)
                | (Some(LatexToken::Sign(',')), Some(LatexToken::Digit(_)), Some(LatexToken::Unknown), _)
                | (
                    Some(LatexToken::Sign(',')),
                    Some(LatexToken::Digit(_)),
                    Some(LatexToken::Digit(_)),
                    Some(LatexToken::Unknown),
                ) => {
                    return None;
                }
                _ => break,
            }
        }
        if self.cursor.is_sign('.') && matches!(self.cursor.behind(1), Some(LatexToken::Digit(_))) {
            self.cursor.at += 1;
            digits.push('.');
            digits.push_str(&self.cursor.digits());
        }
        Some(number(&digits))
    }

    fn fraction(&mut self) -> Option<Expression> {
        self.cursor.at += 1;
        let above = self.part_of_fraction()?;
        // A derivative.
        if matches!(
            (self.cursor.peek(), self.cursor.behind(1), self.cursor.behind(2)),
            (Some(LatexToken::Sign('{')), Some(LatexToken::Differential(_)), Some(LatexToken::Sign('}')))
        ) {
            return None;
        }
        let below = self.part_of_fraction()?;
        Some(Expression::Quotient(Box::new(above), Box::new(below)))
    }

    fn part_of_fraction(&mut self) -> Option<Expression> {
        match self.cursor.peek()? {
            LatexToken::Digit(digit) => {
                let digit = digit.to_string();
                self.cursor.at += 1;
                Some(number(&digit))
            }
            _ => self.enclosed('{', '}'),
        }
    }

    fn italic(&mut self) -> Option<Expression> {
        self.cursor.at += 1;
        self.cursor.expect('{')?;
        let mut name = String::new();
        while let Some(LatexToken::Letter(letter)) = self.cursor.peek() {
            name.push(*letter);
            self.cursor.at += 1;
        }
        self.cursor.expect('}')?;
        Some(Expression::Name(name))
    }
}

fn number(digits: &str) -> Expression {
    Expression::Number(Fraction::decimal(digits), digits.parse().unwrap_or(f64::NAN))
}

/// The product of factors side by side. An `x` between two that have no names is a sign.
fn side_by_side(factors: Vec<Expression>) -> Option<Expression> {
    let is_sign = |at: usize| {
        let plain = |at: usize| factors.get(at).is_some_and(|factor| !factor.has_names());
        at > 0 && factors[at] == Expression::Name("x".to_owned()) && plain(at - 1) && plain(at + 1)
    };
    let signs: Vec<bool> = (0..factors.len()).map(is_sign).collect();
    let kept = factors.into_iter().zip(signs).filter(|(_, is_sign)| !is_sign).map(|(factor, _)| factor);
    kept.reduce(|product, factor| Expression::Product(Box::new(product), Box::new(factor)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_read_as_far_as_it_is_an_expression() {
        assert_eq!(parse("1,2"), Some(number("1")));
        assert_eq!(parse("1,234.5"), Some(number("1234.5")));
        assert_eq!(parse("21_4"), Some(number("21")));
        for text in ["", "(1,2)", "[2,5)", "x<5", "x=5", r"5\%", "3+", r"\frac{1}", r"\sum_{n=1}^3n", ".5", "x^-1"] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert!(parse(&"(".repeat(100_000)).is_none() && parse(&"2^".repeat(10_000)).is_none());
    }

    #[test]
    fn parentheses_behind_a_name_are_a_functions() {
        assert_eq!(
            parse("f_1'(x,2)"),
            Some(Expression::Applied("f_{1}'".into(), vec![Expression::Name("x".into()), number("2")]))
        );
        assert!(matches!(parse("(2)x"), Some(Expression::Product(..))));
        assert_eq!(parse("2x3"), parse("2*3"), "between numbers it is a sign");
    }
}
