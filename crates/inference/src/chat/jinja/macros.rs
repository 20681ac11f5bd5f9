//! Macros that take more arguments than they name: Jinja2 hands them over as `varargs` and `kwargs`.
//!
//! minijinja knows neither. Where a macro's body says one of the names, the macro gets both as parameters, and calls of
//! it become calls of a function that puts the arguments that are left over there.

use std::collections::BTreeSet;

use minijinja::machinery::{Span, Token, tokenize};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Rest, Tuple, Value, ValueOrKwargs};
use minijinja::{Error, State};

use super::arguments::wrong;
use super::edits::{Edit, apply};

/// What calls of such macros become calls of.
pub(super) const CALL: &str = "__call__";
const POSITIONAL: &str = "varargs";
const NAMED: &str = "kwargs";

/// A macro's head: its name, and where its parameters begin and end.
struct Head<'a> {
    name: &'a str,
    /// Whether it names any parameter.
    has_parameters: bool,
    /// Where the bracket behind them is.
    end: u32,
}

/// `text` with such macros and calls of them written in another way.
pub(super) fn with_left_over_arguments(text: &str, syntax: SyntaxConfig) -> Result<String, Error> {
    if !text.contains(POSITIONAL) && !text.contains(NAMED) {
        return Ok(text.to_owned());
    }
    let tokens = tokenize(text, false, syntax).collect::<Result<Vec<_>, _>>()?;
    let heads = heads(&tokens);
    let names: BTreeSet<&str> = heads.iter().map(|head| head.name).collect();
    let mut edits = Vec::new();
    for Head { has_parameters, end, .. } in &heads {
        let with = if *has_parameters { ", varargs=(), kwargs={}" } else { "varargs=(), kwargs={}" };
        edits.push(Edit { start: *end as usize, end: *end as usize, with });
    }
    for at in 1..tokens.len().saturating_sub(1) {
        let [before, (Token::Ident(name), span), (Token::ParenOpen, open)] = &tokens[at - 1..=at + 1] else { continue };
        // Neither the definition nor an attribute of something else.
        if !names.contains(name) || matches!(before.0, Token::Ident("macro") | Token::Dot | Token::Pipe) {
            continue;
        }
        edits.push(Edit { start: span.start_offset as usize, end: span.start_offset as usize, with: "__call__(" });
        edits.push(Edit { start: open.start_offset as usize, end: open.end_offset as usize, with: ", " });
    }
    Ok(apply(text, edits))
}

/// The macros whose bodies say one of the names.
fn heads<'a>(tokens: &[(Token<'a>, Span)]) -> Vec<Head<'a>> {
    let mut heads = Vec::new();
    for (at, token) in tokens.windows(3).enumerate() {
        let [(Token::BlockStart, _), (Token::Ident("macro"), _), (Token::Ident(name), _)] = token else { continue };
        let rest = &tokens[at + 3..];
        let end = rest.iter().position(|(token, _)| matches!(token, Token::Ident("endmacro"))).unwrap_or(rest.len());
        let uses = |(token, _): &(Token<'_>, Span)| matches!(token, Token::Ident(POSITIONAL | NAMED));
        let mut depth = 0;
        let close = rest.iter().position(|(token, _)| {
            match token {
                Token::ParenOpen => depth += 1,
                Token::ParenClose => depth -= 1,
                _ => {}
            }
            matches!(token, Token::ParenClose) && depth == 0
        });
        if let Some(close) = close.filter(|close| *close < end && rest[..end].iter().any(uses)) {
            heads.push(Head { name, has_parameters: close > 1, end: rest[close].1.start_offset });
        }
    }
    heads
}

/// Calls a macro with the arguments that it names, and what is left over as `varargs` and `kwargs`.
pub(super) fn call(state: &mut State<'_, '_>, target: &Value, args: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    let mut args = args.into_values();
    let given = match args.last() {
        Some(last) if last.is_kwargs() => args.pop().map(Kwargs::try_from).transpose()?,
        _ => None,
    };
    let names: Vec<Value> = target.get_attr("arguments")?.try_iter()?.collect();
    let names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
    let own = names.iter().position(|name| *name == POSITIONAL).unwrap_or(names.len());
    let left_over = if args.len() > own { args.split_off(own) } else { Vec::new() };
    let mut named = vec![(POSITIONAL.to_owned(), Value::from(Tuple::from(left_over)))];
    let mut others: Vec<(String, Value)> = Vec::new();
    for name in given.iter().flat_map(Kwargs::args) {
        let Some(given) = &given else { continue };
        let pair = (name.to_owned(), given.get::<Value>(name)?);
        match names[..own].contains(&name) || name == "caller" {
            true if names[..args.len()].contains(&name) => return Err(wrong(format!("two values for `{name}`"))),
            true => named.push(pair),
            false => others.push(pair),
        }
    }
    named.push((NAMED.to_owned(), Value::from_pairs(others)));
    args.push(named.into_iter().collect::<Kwargs>().into());
    target.call(state, &args)
}
