//! Templates of evaluation tasks.

use minijinja::value::Value;
use minijinja::{Environment, Error};

use super::jinja::{Layout, environment, translated};

/// The only template's name in its environment.
const TEXT: &str = "template";

/// A template over a document: Jinja2 as lm-evaluation-harness sets it up. Values are written as Python writes them, a
/// name that the document lacks is an error, all white space stays.
///
/// ```
/// use minijinja::context;
/// let template = gac_inference::TaskTemplate::new("{{ options }} {{ 1 == 1 }}\n", |_| {})?;
/// assert_eq!(template.render(context! { options => ["a", "it's"] })?, "['a', \"it's\"] True\n");
/// # Ok::<(), minijinja::Error>(())
/// ```
#[derive(Debug)]
pub struct TaskTemplate {
    environment: Environment<'static>,
}

impl TaskTemplate {
    /// A template from its text; `extend` adds filters that it may use.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn new(text: &str, extend: impl FnOnce(&mut Environment<'static>)) -> Result<Self, Error> {
        let mut environment = environment(Layout::Task)?;
        extend(&mut environment);
        environment.add_template_owned(TEXT, translated(TEXT, text, Layout::Task)?)?;
        Ok(Self { environment })
    }

    /// The text for a document.
    ///
    /// # Errors
    /// What of the template does not fit the document.
    pub fn render(&self, document: Value) -> Result<String, Error> {
        self.environment.get_template(TEXT)?.render(document)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use minijinja::context;

    fn render(text: &str) -> Result<String, Error> {
        let document = context! { a => "x ", n => 2, list => ["p", "q"], none => Value::from(()) };
        TaskTemplate::new(text, |_| {})?.render(document)
    }

    #[test]
    fn white_space_stays_and_values_are_pythons() {
        assert_eq!(render("{% if n == 2 %}\n{{a.strip()}}{% endif %}\n\n").unwrap(), "\nx\n\n");
        assert_eq!(render("{{list}} {{none}} {{n / 2}} {{list.index('q')}}").unwrap(), "['p', 'q'] None 1.0 1");
        assert_eq!(render("{% raw %}\n{{a}}{% endraw %}").unwrap(), "\n{{a}}");
    }

    #[test]
    fn a_name_that_is_missing_is_an_error() {
        for text in ["{{b}}", "{{list.b}}", "{% if b %}x{% endif %}"] {
            assert!(render(text).is_err(), "{text}");
        }
        assert_eq!(render("{{b is defined}}").unwrap(), "False");
    }
}
