//! From tokens to expressions.

use super::expression::{Expression, Function};
use super::fraction::Fraction;
use super::token::{Token, tokens};

/// What a text says, as far as it is an expression. None where it is none, or a relation, or nothing that is known here
/// (integrals, sums, limits, derivatives).
pub(in super::super) fn parse(text: &str) -> Option<Expression> {
    let tokens = tokens(text.trim());
    if tokens.len() > LONGEST {
        return None;
    }
    let mut parser = Parser { tokens, at: 0, bars: 0, depth: 0 };
    let expression = parser.sum()?;
    match parser.peek() {
        Some(Token::Sign('<' | '=') | Token::Unknown) => None,
        _ => Some(expression),
    }
}

/// More tokens than these are no answer.
const LONGEST: usize = 1000;
/// Deeper than this nothing is read.
const DEEPEST: usize = 100;

struct Parser {
    tokens: Vec<Token>,
    at: usize,
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
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn behind(&self, offset: usize) -> Option<&Token> {
        self.tokens.get(self.at + offset)
    }

    fn is_sign(&self, sign: char) -> bool {
        self.peek() == Some(&Token::Sign(sign))
    }

    fn is_command(&self, name: &str) -> bool {
        matches!(self.peek(), Some(Token::Command(command)) if command == name)
    }

    /// Goes over a sign, if it is there.
    fn skip(&mut self, sign: char) -> bool {
        let found = self.is_sign(sign);
        self.at += usize::from(found);
        found
    }

    /// Goes over a sign that has to be there.
    fn expect(&mut self, sign: char) -> Option<()> {
        self.skip(sign).then_some(())
    }

    fn expect_command(&mut self, name: &str) -> Option<()> {
        let found = self.is_command(name);
        self.at += usize::from(found);
        found.then_some(())
    }

    /// Sums of products.
    fn sum(&mut self) -> Option<Expression> {
        let mut sum = self.product(Functions::Allowed)?;
        loop {
            let product = if self.skip('+') {
                self.product(Functions::Allowed)?
            } else if self.skip('-') {
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
            if self.skip('*') {
                product = Expression::Product(Box::new(product), Box::new(self.signed(functions)?));
            } else if self.skip('/') {
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
            if self.skip('-') {
                negative = !negative;
            } else if !self.skip('+') {
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
        match self.peek() {
            Some(Token::Sign('(' | '[' | '{') | Token::Digit(_) | Token::Letter(_) | Token::Differential(_)) => true,
            Some(Token::Sign('|')) => self.bars == 0,
            Some(Token::Command(name)) => match name.as_str() {
                "}" | "right|" | "rangle" | "rfloor" | "rceil" => false,
                "to" | "rightarrow" | "Rightarrow" | "longrightarrow" | "Longrightarrow" => false,
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
            if self.skip('!') {
                factor = Expression::Of(Function::Factorial, Box::new(factor));
            } else if self.is_sign('|') && matches!(self.behind(1), Some(Token::Sign('^' | '_'))) {
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
        while self.skip('^') {
            let exponent = self.braced_or_atom()?;
            if self.is_sign('_') {
                self.subscript()?;
            }
            base = Expression::Power(Box::new(base), Box::new(exponent));
        }
        Some(base)
    }

    fn braced_or_atom(&mut self) -> Option<Expression> {
        if self.is_sign('{') { self.enclosed('{', '}') } else { self.atom(Functions::NotAllowed) }
    }

    /// What stands below a name, as a part of it.
    fn subscript(&mut self) -> Option<String> {
        self.expect('_')?;
        Some(match self.braced_or_atom()? {
            Expression::Name(name) => name,
            Expression::Number(_, value) => value.to_string(),
            other => format!("{other:?}"),
        })
    }

    fn enclosed(&mut self, open: char, close: char) -> Option<Expression> {
        self.expect(open)?;
        // Bars outside do not close inside.
        let bars = std::mem::take(&mut self.bars);
        let inner = self.sum()?;
        self.bars = bars;
        self.expect(close)?;
        Some(inner)
    }

    fn component(&mut self, functions: Functions) -> Option<Expression> {
        let of = |function, inner| Some(Expression::Of(function, Box::new(inner)));
        match self.peek()? {
            Token::Sign('(') => self.enclosed('(', ')'),
            Token::Sign('[') => self.enclosed('[', ']'),
            Token::Sign('{') => self.enclosed('{', '}'),
            Token::Sign('|') => {
                self.expect('|')?;
                self.bars += 1;
                let inner = self.sum()?;
                self.bars -= 1;
                self.expect('|')?;
                of(Function::Abs, inner)
            }
            Token::Command(name) => match name.clone().as_str() {
                "{" => {
                    self.at += 1;
                    let inner = self.sum()?;
                    self.expect_command("}")?;
                    Some(inner)
                }
                "lfloor" => {
                    self.at += 1;
                    let inner = self.sum()?;
                    self.expect_command("rfloor")?;
                    of(Function::Floor, inner)
                }
                "lceil" => {
                    self.at += 1;
                    let inner = self.sum()?;
                    self.expect_command("rceil")?;
                    of(Function::Ceiling, inner)
                }
                "sqrt" => self.root(),
                "overline" => {
                    self.at += 1;
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
        self.at += 1;
        let index = if self.is_sign('[') { Some(self.enclosed('[', ']')?) } else { None };
        let base = self.enclosed('{', '}')?;
        let index = index.unwrap_or_else(|| number("2"));
        let exponent = Expression::Quotient(Box::new(number("1")), Box::new(index));
        Some(Expression::Power(Box::new(base), Box::new(exponent)))
    }

    /// What stands below and above a function's name, in either order.
    fn scripts(&mut self) -> Option<(Option<Expression>, Option<Expression>)> {
        let (mut below, mut above) = (None, None);
        loop {
            if below.is_none() && self.skip('_') {
                below = Some(self.script()?);
            } else if above.is_none() && self.skip('^') {
                above = Some(self.script()?);
            } else {
                return Some((below, above));
            }
        }
    }

    /// What stands below or above a function's name. The last of several digits is what the function is of, where nothing
    /// else is.
    fn script(&mut self) -> Option<Expression> {
        if !matches!(self.peek(), Some(Token::Digit(_))) {
            return self.braced_or_atom();
        }
        let mut digits = self.digits();
        let goes_on =
            self.begins(Functions::NotAllowed) || matches!(self.peek(), Some(Token::Sign('+' | '-' | '^' | '_')));
        if !goes_on && digits.len() > 1 {
            digits.pop();
            self.at -= 1;
        }
        Some(number(&digits))
    }

    /// What a function is of: the first of what stands in parentheses, or a product.
    fn argument(&mut self) -> Option<Expression> {
        if !self.skip('(') {
            return self.product(Functions::NotAllowed);
        }
        let bars = std::mem::take(&mut self.bars);
        let first = self.sum()?;
        while self.skip(',') {
            self.sum()?;
        }
        self.bars = bars;
        self.expect(')')?;
        Some(first)
    }

    fn function(&mut self, function: Function) -> Option<Expression> {
        self.at += 1;
        let (_, above) = self.scripts()?;
        let argument = Box::new(self.argument()?);
        let inverse = match function {
            Function::Sin => Some(Function::Arcsin),
            Function::Cos => Some(Function::Arccos),
            Function::Tan => Some(Function::Arctan),
            Function::Csc => Some(Function::Arccsc),
            Function::Sec => Some(Function::Arcsec),
            Function::Cot => Some(Function::Arccot),
            Function::Sinh => Some(Function::Arsinh),
            Function::Cosh => Some(Function::Arcosh),
            Function::Tanh => Some(Function::Artanh),
            _ => None,
        };
        Some(match (above, inverse) {
            (Some(above), Some(inverse)) if above == Expression::Negative(Box::new(number("1"))) => {
                Expression::Of(inverse, argument)
            }
            (Some(above), _) => Expression::Power(Box::new(Expression::Of(function, argument)), Box::new(above)),
            (None, _) => Expression::Of(function, argument),
        })
    }

    fn logarithm(&mut self, name: &str) -> Option<Expression> {
        self.at += 1;
        let (below, above) = self.scripts()?;
        let base = below.or_else(|| (name == "lg").then(|| number("10"))).map(Box::new);
        let logarithm = Expression::Logarithm(Box::new(self.argument()?), base);
        Some(match above {
            Some(above) => Expression::Power(Box::new(logarithm), Box::new(above)),
            None => logarithm,
        })
    }

    fn atom(&mut self, functions: Functions) -> Option<Expression> {
        match self.peek()?.clone() {
            Token::Digit(_) => self.number(),
            Token::Letter(letter) => {
                self.at += 1;
                self.name(letter.to_string(), true, functions)
            }
            Token::Differential(name) => {
                self.at += 1;
                Some(Expression::Name(format!("d{name}")))
            }
            Token::Command(name) => match name.as_str() {
                "frac" | "dfrac" | "tfrac" => self.fraction(),
                "binom" | "dbinom" | "tbinom" => {
                    self.at += 1;
                    let (of, chosen) = (self.enclosed('{', '}')?, self.enclosed('{', '}')?);
                    Some(Expression::Binomial(Box::new(of), Box::new(chosen)))
                }
                "mathit" => self.italic(),
                "{" | "}" | "sqrt" | "overline" | "log" | "ln" | "lg" | "lim" | "int" | "sum" | "prod" | "lfloor"
                | "rfloor" | "lceil" | "rceil" | "langle" | "rangle" | "left|" | "right|" | "to" | "rightarrow"
                | "Rightarrow" | "longrightarrow" | "Longrightarrow" => None,
                name if Function::of_command(name).is_some() => None,
                "infty" => {
                    self.at += 1;
                    Some(Expression::Infinity)
                }
                name => {
                    self.at += 1;
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
            match self.peek() {
                Some(Token::Sign('_')) if !below => {
                    let subscript = self.subscript()?;
                    name = format!("{name}_{{{subscript}}}");
                    below = true;
                }
                Some(&Token::Primes(count)) if !primes => {
                    self.at += 1;
                    if primed {
                        name.push_str(&"'".repeat(count));
                    }
                    primes = true;
                }
                _ => break,
            }
        }
        if functions == Functions::NotAllowed || !self.skip('(') {
            return Some(Expression::Name(name));
        }
        let bars = std::mem::take(&mut self.bars);
        let mut of = vec![self.sum()?];
        while self.skip(',') {
            of.push(self.sum()?);
        }
        self.bars = bars;
        self.expect(')')?;
        Some(Expression::Applied(name, of))
    }

    /// Digits, with commas before groups of three, and decimals.
    fn number(&mut self) -> Option<Expression> {
        let mut digits = self.digits();
        loop {
            let [comma, a, b, c] = [0, 1, 2, 3].map(|offset| self.behind(offset).cloned());
            match (comma, a, b, c) {
                (Some(Token::Sign(',')), Some(Token::Digit(a)), Some(Token::Digit(b)), Some(Token::Digit(c))) => {
                    digits.extend([a, b, c]);
                    self.at += 4;
                }
                // It had to be looked at.
                (Some(Token::Sign(',')), Some(Token::Unknown), ..)
                | (Some(Token::Sign(',')), Some(Token::Digit(_)), Some(Token::Unknown), _)
                | (Some(Token::Sign(',')), Some(Token::Digit(_)), Some(Token::Digit(_)), Some(Token::Unknown)) => {
                    return None;
                }
                _ => break,
            }
        }
        if self.is_sign('.') && matches!(self.behind(1), Some(Token::Digit(_))) {
            self.at += 1;
            digits.push('.');
            digits.push_str(&self.digits());
        }
        Some(number(&digits))
    }

    fn digits(&mut self) -> String {
        let mut digits = String::new();
        while let Some(&Token::Digit(digit)) = self.peek() {
            digits.push(digit);
            self.at += 1;
        }
        digits
    }

    fn fraction(&mut self) -> Option<Expression> {
        self.at += 1;
        let above = self.part_of_fraction()?;
        // A derivative.
        if matches!(
            (self.peek(), self.behind(1), self.behind(2)),
            (Some(Token::Sign('{')), Some(Token::Differential(_)), Some(Token::Sign('}')))
        ) {
            return None;
        }
        let below = self.part_of_fraction()?;
        Some(Expression::Quotient(Box::new(above), Box::new(below)))
    }

    fn part_of_fraction(&mut self) -> Option<Expression> {
        match self.peek()? {
            Token::Digit(digit) => {
                let digit = digit.to_string();
                self.at += 1;
                Some(number(&digit))
            }
            _ => self.enclosed('{', '}'),
        }
    }

    fn italic(&mut self) -> Option<Expression> {
        self.at += 1;
        self.expect('{')?;
        let mut name = String::new();
        while let Some(Token::Letter(letter)) = self.peek() {
            name.push(*letter);
            self.at += 1;
        }
        self.expect('}')?;
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
