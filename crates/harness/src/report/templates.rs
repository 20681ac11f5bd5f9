//! Markup, from templates that escape every text that is put into them.

use std::sync::LazyLock;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior};
use serde::Serialize;

/// The templates, by name. What ends in `.html` is escaped.
const ALL: [(&str, &str); 5] = [
    ("explorer.html", include_str!("templates/explorer.html")),
    ("figure.html", include_str!("templates/figure.html")),
    ("leaderboard.html", include_str!("templates/leaderboard.html")),
    ("page.html", include_str!("templates/page.html")),
    ("table.html", include_str!("templates/table.html")),
];

static TEMPLATES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    // Blocks alone on a line leave no line behind.
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true).build();
    environment.set_syntax(syntax.expect("the delimiters are the usual ones"));
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    for (name, text) in ALL {
        environment.add_template(name, text).expect("a template of ours parses; tests render each of them");
    }
    environment
});

/// Renders a template with the fields of `context`.
///
/// # Panics
/// For a template or a field that there is not; tests render every template.
pub(super) fn render(template: &str, context: impl Serialize) -> String {
    let template = TEMPLATES.get_template(template).expect("the template is one of ours");
    template.render(Serde(context)).expect("the context has what the template takes")
}
