//! A template's text, with what minijinja parses otherwise than Jinja2 written in another way.
//!
//! * Line ends become `\n` everywhere, also inside of strings.
//! * `{% generation %}` and `{% endgeneration %}`, which only mark what a model is trained on, become a `with` block:
//!   white space around them is then treated as around any block, and what is set inside stays inside.
//! * A line break behind `{% raw %}` stays.
//! * Macros that take more arguments than they name are written as [`macros`](super::macros) tells.
//! * `a % b` and `a ~ b` become calls of functions that know Python's strings, and what a loop goes over becomes a
//!   call of one that refuses none.
//!
//! Tags inside of strings, comments and `raw` blocks are text: minijinja's own tokens say what is one.

use minijinja::Error;
use minijinja::machinery::ast::{BinOpKind, CallArg, Expr, Stmt};
use minijinja::machinery::{Token, parse, tokenize};
use minijinja::syntax::SyntaxConfig;

use super::edits::{Edit, apply};
use super::macros::with_left_over_arguments;
use super::syntax::Layout;

/// What `a % b` becomes a call of.
pub(super) const MODULO: &str = "__mod__";
/// What goes over a loop's values; minijinja would go over none as if it were empty.
pub(super) const EACH: &str = "__each__";
/// What `a ~ b` becomes a call of.
pub(super) const CONCATENATED: &str = "__concat__";

/// `text` as minijinja takes it.
///
/// # Errors
/// What is wrong with the template.
pub(in crate::chat) fn translated(name: &str, text: &str, layout: Layout) -> Result<String, Error> {
    let syntax = layout.syntax()?;
    let mut text = text.replace("\r\n", "\n").replace('\r', "\n");
    if layout == Layout::Chat {
        text = with_whole_raw_blocks(&text, syntax.clone())?;
        text = without_generation_tags(&text, syntax.clone())?;
    }
    let text = with_left_over_arguments(&text, syntax.clone())?;
    let template = parse(&text, name, syntax.clone())?;
    let mut operators = Operators { tokens: operators(&text, syntax.clone())?, edits: Vec::new() };
    operators.statement(&template);
    let text = apply(&text, operators.edits);
    with_checked_loops(&text, syntax)
}

/// The string constants of a template and the text outside of its tags.
pub(in crate::chat) fn string_constants(text: &str) -> Vec<String> {
    let Ok(syntax) = Layout::Chat.syntax() else { return Vec::new() };
    let tokens = tokenize(text, false, syntax).map_while(Result::ok);
    let constant = |(token, _)| match token {
        Token::TemplateData(text) | Token::Str(text) => Some(text.to_owned()),
        Token::String(text) => Some(text.into()),
        _ => None,
    };
    tokens.filter_map(constant).collect()
}

fn without_generation_tags(text: &str, syntax: SyntaxConfig) -> Result<String, Error> {
    let tokens = tokenize(text, false, syntax).collect::<Result<Vec<_>, _>>()?;
    let edits = tokens.windows(3).filter_map(|tokens| {
        let [(Token::BlockStart, _), (Token::Ident(name), span), (Token::BlockEnd, _)] = tokens else { return None };
        let with = match *name {
            "generation" => "with",
            "endgeneration" => "endwith",
            _ => return None,
        };
        Some(Edit { start: span.start_offset as usize, end: span.end_offset as usize, with })
    });
    Ok(apply(text, edits.collect()))
}

/// `raw` blocks with the line break behind their first tag, which Jinja2 does not trim.
fn with_whole_raw_blocks(text: &str, syntax: SyntaxConfig) -> Result<String, Error> {
    let mut edits = Vec::new();
    for token in tokenize(text, false, syntax) {
        let (Token::TemplateData(_), span) = token? else { continue };
        let before = &text[..span.start_offset as usize];
        let before = before.strip_suffix('\n').unwrap_or(before);
        // What stands before a block's text is its tag, and no other tag ends so.
        let Some(tag) = before.strip_suffix("%}") else { continue };
        let name = tag.rfind("{%").map(|start| tag[start + 2..].trim_start_matches(['-', '+']).trim());
        if name == Some("raw") {
            edits.push(Edit { start: tag.len(), end: tag.len(), with: "+" });
        }
    }
    Ok(apply(text, edits))
}

/// What loops go over, from `in` to a condition, `recursive` or the end of the tag, as a call.
fn with_checked_loops(text: &str, syntax: SyntaxConfig) -> Result<String, Error> {
    let mut edits = Vec::new();
    let mut insert = |at: u32, with| edits.push(Edit { start: at as usize, end: at as usize, with });
    // Whether a tag begins, a loop's target is read, or what it goes over (and how deep inside of brackets).
    let (mut begins, mut target, mut over) = (false, false, None);
    for token in tokenize(text, false, syntax) {
        let (token, span) = token?;
        match (&token, over) {
            (Token::Ident("for"), _) if begins => target = true,
            (Token::Ident("in"), _) if target => {
                insert(span.end_offset, " __each__((");
                (target, over) = (false, Some(0));
            }
            (Token::Ident("if" | "recursive") | Token::BlockEnd, Some(0)) => {
                insert(span.start_offset, ")) ");
                over = None;
            }
            (Token::ParenOpen | Token::BracketOpen | Token::BraceOpen, Some(depth)) => over = Some(depth + 1),
            (Token::ParenClose | Token::BracketClose | Token::BraceClose, Some(depth)) => over = Some(depth - 1),
            _ => {}
        }
        begins = matches!(token, Token::BlockStart);
    }
    Ok(apply(text, edits))
}

/// Where the operators are that become calls.
fn operators(text: &str, syntax: SyntaxConfig) -> Result<Vec<usize>, Error> {
    let tokens = tokenize(text, false, syntax).filter_map(|token| match token {
        Ok((Token::Mod | Token::Tilde, span)) => Some(Ok(span.start_offset as usize)),
        Ok(_) => None,
        Err(error) => Some(Err(error)),
    });
    tokens.collect()
}

/// Goes through a template for operators that become calls.
struct Operators {
    /// Where operators of these kinds are, ascending.
    tokens: Vec<usize>,
    edits: Vec<Edit>,
}

impl Operators {
    fn statements(&mut self, statements: &[Stmt<'_>]) {
        for statement in statements {
            self.statement(statement);
        }
    }

    fn statement(&mut self, statement: &Stmt<'_>) {
        match statement {
            Stmt::Template(template) => self.statements(&template.children),
            Stmt::EmitExpr(emit) => self.expression(&emit.expr),
            Stmt::ForLoop(each) => {
                self.expression(&each.iter);
                self.optional(each.filter_expr.as_ref());
                self.statements(&each.body);
                self.statements(&each.else_body);
            }
            Stmt::IfCond(condition) => {
                self.expression(&condition.expr);
                self.statements(&condition.true_body);
                self.statements(&condition.false_body);
            }
            Stmt::WithBlock(block) => {
                for (_, value) in &block.assignments {
                    self.expression(value);
                }
                self.statements(&block.body);
            }
            Stmt::Set(set) => self.expression(&set.expr),
            Stmt::SetBlock(block) => {
                self.optional(block.filter.as_ref());
                self.statements(&block.body);
            }
            Stmt::AutoEscape(block) => {
                self.expression(&block.enabled);
                self.statements(&block.body);
            }
            Stmt::FilterBlock(block) => {
                self.expression(&block.filter);
                self.statements(&block.body);
            }
            Stmt::Block(block) => self.statements(&block.body),
            Stmt::Macro(definition) => {
                definition.defaults.iter().for_each(|default| self.expression(default));
                self.statements(&definition.body);
            }
            Stmt::CallBlock(block) => {
                self.expression(&block.call.expr);
                self.arguments(&block.call.args);
                block.macro_decl.defaults.iter().for_each(|default| self.expression(default));
                self.statements(&block.macro_decl.body);
            }
            Stmt::Do(call) => {
                self.expression(&call.call.expr);
                self.arguments(&call.call.args);
            }
            // Templates stand alone: what names another one fails when it is rendered, operators or not.
            _ => {}
        }
    }

    fn optional(&mut self, expression: Option<&Expr<'_>>) {
        if let Some(expression) = expression {
            self.expression(expression);
        }
    }

    fn arguments(&mut self, arguments: &[CallArg<'_>]) {
        for argument in arguments {
            match argument {
                CallArg::Pos(value)
                | CallArg::Kwarg(_, value)
                | CallArg::PosSplat(value)
                | CallArg::KwargSplat(value) => {
                    self.expression(value);
                }
            }
        }
    }

    fn expression(&mut self, expression: &Expr<'_>) {
        match expression {
            Expr::Var(_) | Expr::Const(_) => {}
            Expr::Slice(slice) => {
                self.expression(&slice.expr);
                for part in [&slice.start, &slice.stop, &slice.step] {
                    self.optional(part.as_ref());
                }
            }
            Expr::UnaryOp(operation) => self.expression(&operation.expr),
            Expr::BinOp(operation) => {
                let function = match operation.op {
                    BinOpKind::Rem => Some("__mod__("),
                    BinOpKind::Concat => Some("__concat__("),
                    _ => None,
                };
                let span = operation.span();
                if let Some(function) = function {
                    self.insert(span.start_offset as usize, function);
                    let right = operation.right.span().start_offset as usize;
                    // The last one before the right side begins: parentheses in between hold no operator.
                    let before = self.tokens.partition_point(|&token| token < right);
                    if let Some(&token) = before.checked_sub(1).and_then(|last| self.tokens.get(last)) {
                        self.edits.push(Edit { start: token, end: token + 1, with: "," });
                    }
                }
                self.expression(&operation.left);
                self.expression(&operation.right);
                if function.is_some() {
                    self.insert(span.end_offset as usize, ")");
                }
            }
            Expr::Compare(comparison) => {
                self.expression(&comparison.expr);
                comparison.ops.iter().for_each(|operation| self.expression(&operation.expr));
            }
            Expr::IfExpr(choice) => {
                self.expression(&choice.test_expr);
                self.expression(&choice.true_expr);
                self.optional(choice.false_expr.as_ref());
            }
            Expr::Filter(filter) => {
                self.optional(filter.expr.as_ref());
                self.arguments(&filter.args);
            }
            Expr::Test(test) => {
                self.expression(&test.expr);
                self.arguments(&test.args);
            }
            Expr::GetAttr(attribute) => self.expression(&attribute.expr),
            Expr::GetItem(item) => {
                self.expression(&item.expr);
                self.expression(&item.subscript_expr);
            }
            Expr::Call(call) => {
                self.expression(&call.expr);
                self.arguments(&call.args);
            }
            Expr::List(list) => list.items.iter().for_each(|item| self.expression(item)),
            Expr::Tuple(tuple) => tuple.items.iter().for_each(|item| self.expression(item)),
            Expr::Map(map) => {
                map.keys.iter().chain(&map.values).for_each(|item| self.expression(item));
            }
        }
    }

    fn insert(&mut self, at: usize, with: &'static str) {
        self.edits.push(Edit { start: at, end: at, with });
    }
}
