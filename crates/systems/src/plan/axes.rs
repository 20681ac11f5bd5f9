//! Axes: a setting with several values makes a system of each.

use super::error::SpecError;
use crate::spec::file::SystemSpec;
use crate::spec::method::Combination;
use crate::spec::values::Values;
use gac_inference::Named;

/// One system of a spec: what it says, with one value of each of its axes.
pub(super) struct OneSystem<'a> {
    /// The spec's name, with the value of each axis.
    pub(super) name: String,
    /// The name but for the threshold, where thresholds are an axis.
    pub(super) axis: Option<String>,
    pub(super) method: Option<Combination>,
    pub(super) weights: Option<&'a [f64]>,
    pub(super) threshold: Option<f64>,
    /// Everything else.
    pub(super) spec: &'a SystemSpec,
}

/// The systems of `spec`: methods, then weights, then thresholds, each in the order given.
pub(super) fn systems(spec: &SystemSpec) -> Result<Vec<OneSystem<'_>>, SpecError> {
    let system = || spec.name.clone();
    if spec.threshold.is_some() && spec.thresholds.is_some() {
        return Err(SpecError::TwoThresholds { system: system() });
    }
    let empty = |axis| SpecError::EmptyAxis { system: system(), axis };
    // Each value with what it adds to the name.
    let methods: Vec<(Option<Combination>, String)> = match &spec.method {
        None => vec![(None, String::new())],
        Some(Values::One(method)) => vec![(Some(*method), String::new())],
        Some(Values::Each(methods)) if methods.is_empty() => return Err(empty("method")),
        Some(Values::Each(methods)) => {
            methods.iter().map(|&method| (Some(method), format!(", {}", method.name()))).collect()
        }
    };
    let weights: Vec<(Option<&[f64]>, String)> = match &spec.weights {
        None => vec![(None, String::new())],
        Some(Values::One(weights)) => vec![(Some(weights), String::new())],
        Some(Values::Each(lists)) => {
            lists.iter().map(|weights| (Some(&weights[..]), format!(", {}", ratio(weights)))).collect()
        }
    };
    let thresholds: Vec<(Option<f64>, String)> = match &spec.thresholds {
        None => vec![(spec.threshold, String::new())],
        Some(thresholds) if thresholds.is_empty() => return Err(empty("thresholds")),
        Some(thresholds) => thresholds.iter().map(|&threshold| (Some(threshold), format!(" @ {threshold}"))).collect(),
    };
    let mut systems = Vec::with_capacity(methods.len() * weights.len() * thresholds.len());
    for (method, of_method) in &methods {
        for (weights, of_weights) in &weights {
            let cell = format!("{}{of_method}{of_weights}", spec.name);
            for (threshold, of_threshold) in &thresholds {
                systems.push(OneSystem {
                    name: format!("{cell}{of_threshold}"),
                    axis: spec.thresholds.as_ref().map(|_| cell.clone()),
                    method: *method,
                    weights: *weights,
                    threshold: *threshold,
                    spec,
                });
            }
        }
    }
    Ok(systems)
}

/// `2:1`.
fn ratio(weights: &[f64]) -> String {
    weights.iter().map(ToString::to_string).collect::<Vec<_>>().join(":")
}

#[cfg(test)]
mod tests {
    use gac_ensemble::Method;

    use super::*;

    fn spec(toml: &str) -> SystemSpec {
        toml::from_str(&format!("name = \"s\"\nmembers = [\"a\", \"b\"]\n{toml}")).unwrap()
    }

    fn names(toml: &str) -> Vec<String> {
        systems(&spec(toml)).unwrap().into_iter().map(|system| system.name).collect()
    }

    #[test]
    fn a_system_without_axes_is_one_of_its_own_name() {
        assert_eq!(names("method = \"gac\"\nweights = [1, 2]\ngate = \"a\"\nthreshold = 0.5"), ["s"]);
        assert_eq!(systems(&spec("")).unwrap()[0].axis, None);
    }

    #[test]
    fn each_value_of_each_axis_is_a_system_whose_name_says_it() {
        let toml = "gate = \"a\"\nmethod = [\"gac\", \"unite\"]\nweights = [[1, 1], [2, 1]]\nthresholds = [0.1, 1.0]";
        assert_eq!(
            names(toml),
            [
                "s, gac, 1:1 @ 0.1",
                "s, gac, 1:1 @ 1",
                "s, gac, 2:1 @ 0.1",
                "s, gac, 2:1 @ 1",
                "s, unite, 1:1 @ 0.1",
                "s, unite, 1:1 @ 1",
                "s, unite, 2:1 @ 0.1",
                "s, unite, 2:1 @ 1"
            ]
        );
        let spec = spec(toml);
        let last = systems(&spec).unwrap().pop().unwrap();
        assert_eq!(last.axis.as_deref(), Some("s, unite, 2:1"));
        assert_eq!((last.method, last.weights), (Some(Combination::Tokens(Method::UNITE)), Some(&[2.0, 1.0][..])));
        assert_eq!(last.threshold, Some(1.0));
        assert_eq!(names("method = [\"vote\", \"best-of\"]"), ["s, vote", "s, best-of"]);
    }

    #[test]
    fn axes_without_values_and_two_ways_to_say_thresholds_are_refused() {
        let refused = |toml: &str| systems(&spec(toml)).err().unwrap();
        assert!(matches!(refused("thresholds = []"), SpecError::EmptyAxis { axis: "thresholds", .. }));
        assert!(matches!(refused("method = []"), SpecError::EmptyAxis { axis: "method", .. }));
        assert!(matches!(refused("threshold = 0.1\nthresholds = [0.1]"), SpecError::TwoThresholds { .. }));
    }

    #[test]
    fn what_is_no_value_is_named_where_it_stands() {
        let error = |toml: &str| {
            let text = format!("name = \"s\"\nmembers = [\"a\"]\n{toml}");
            toml::from_str::<SystemSpec>(&text).unwrap_err().to_string()
        };
        assert!(error("method = \"gca\"").contains("unknown method `gca`"));
        assert!(error("method = [\"gac\", \"gca\"]").contains("unknown method `gca`"));
        assert!(error("weights = [1, [2, 1]]").contains("and not both"));
        assert!(error("weights = [\"x\"]").contains("a number, or a list of numbers"));
    }
}
