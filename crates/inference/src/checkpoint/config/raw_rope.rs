//! What `config.json` says of rotary embeddings, in either style: `rope_theta` and `rope_scaling` beside each other, or
//! `rope_parameters` with all of it. A file may say it in both, if it says the same.

use serde_json::{Map, Value};

use super::fields::{Fields, Problem, shown};

/// The settings of full and of windowed layers, and where they stand.
#[derive(Clone, Debug, Default)]
pub(super) struct RawRopes {
    pub(super) full: RawRope,
    /// None where they are those of full layers.
    pub(super) sliding: Option<RawRope>,
}

/// The settings of one kind of layer.
#[derive(Clone, Debug, Default)]
pub(super) struct RawRope {
    /// The field that errors name.
    pub(super) field: &'static str,
    pub(super) rope_type: Option<String>,
    pub(super) rope_theta: Option<f64>,
    pub(super) partial_rotary_factor: Option<f64>,
    pub(super) factor: Option<f64>,
    pub(super) low_freq_factor: Option<f64>,
    pub(super) high_freq_factor: Option<f64>,
    pub(super) original_max_position_embeddings: Option<f64>,
    pub(super) attention_factor: Option<f64>,
    pub(super) beta_fast: Option<f64>,
    pub(super) beta_slow: Option<f64>,
    pub(super) mscale: Option<f64>,
    pub(super) mscale_all_dim: Option<f64>,
    pub(super) truncate: Option<bool>,
    pub(super) short_factor: Option<Vec<f64>>,
    pub(super) long_factor: Option<Vec<f64>>,
}

/// Settings that stand beside `rope_scaling`, and what they are called within `rope_parameters`.
const BESIDE: [(&str, &str); 5] = [
    ("rope_theta", "rope_theta"),
    ("rotary_emb_base", "rope_theta"),
    ("partial_rotary_factor", "partial_rotary_factor"),
    ("rotary_pct", "partial_rotary_factor"),
    ("original_max_position_embeddings", "original_max_position_embeddings"),
];

impl RawRopes {
    pub(super) fn read(config: Fields<'_>) -> Result<Self, Problem> {
        let scaling = config.object("rope_scaling")?;
        let parameters = config.object("rope_parameters")?;
        let kinds = parameters.filter(|fields| KINDS.iter().any(|kind| fields.0.contains_key(*kind)));
        let field = if parameters.is_some() { "rope_parameters" } else { "rope_scaling" };
        let mut full = Merged::default();
        match kinds {
            Some(kinds) => full.add("rope_parameters", kinds.object(KINDS[0])?)?,
            None => full.add("rope_parameters", parameters)?,
        }
        full.add("rope_scaling", scaling)?;
        for (beside, name) in BESIDE {
            full.add_one(beside, name, config.get(beside))?;
        }
        let local = config.get("rope_local_base_freq");
        let of_sliding = kinds.map(|kinds| kinds.object(KINDS[1])).transpose()?.flatten();
        let sliding = if of_sliding.is_some() || local.is_some() {
            let mut sliding = Merged::default();
            sliding.add("rope_parameters", of_sliding)?;
            sliding.add_one("rope_local_base_freq", "rope_theta", local)?;
            Some(sliding.read(field)?)
        } else {
            None
        };
        Ok(Self { full: full.read(field)?, sliding })
    }
}

/// Kinds of layers that may have settings of their own.
const KINDS: [&str; 2] = ["full_attention", "sliding_attention"];

/// Settings from several places, with those places.
#[derive(Default)]
struct Merged<'a> {
    settings: Vec<(&'a str, &'static str, &'a Value)>,
}

impl<'a> Merged<'a> {
    fn add(&mut self, place: &'static str, fields: Option<Fields<'a>>) -> Result<(), Problem> {
        let Some(fields) = fields else { return Ok(()) };
        for (name, value) in fields.0 {
            let name = if name == "type" { "rope_type" } else { name };
            self.add_one(place, name, Some(value).filter(|value| !value.is_null()))?;
        }
        Ok(())
    }

    /// Adds a setting, which must be what another place says of it.
    fn add_one(&mut self, place: &'static str, name: &'a str, value: Option<&'a Value>) -> Result<(), Problem> {
        let Some(value) = value else { return Ok(()) };
        if let Some((_, other, said)) =
            self.settings.iter().find(|(known, _, said)| *known == name && !same(said, value))
        {
            let of = |place: &str, value| match place {
                "rope_parameters" | "rope_scaling" => format!("`{name}` {} in `{place}`", shown(value)),
                place => format!("`{place}` {}", shown(value)),
            };
            return Err((place, format!("does not agree: {}, but {}", of(place, value), of(other, said))));
        }
        self.settings.push((name, place, value));
        Ok(())
    }

    fn read(self, field: &'static str) -> Result<RawRope, Problem> {
        let all: Map<String, Value> =
            self.settings.into_iter().map(|(name, _, value)| (name.to_owned(), value.clone())).collect();
        let fields = Fields(&all);
        let within = |(name, problem): Problem| (field, format!("has a `{name}` that {problem}"));
        let number = |name| fields.number(name).map_err(within);
        Ok(RawRope {
            field,
            rope_type: fields.text("rope_type").map_err(within)?.map(str::to_owned),
            rope_theta: number("rope_theta")?,
            partial_rotary_factor: number("partial_rotary_factor")?,
            factor: number("factor")?,
            low_freq_factor: number("low_freq_factor")?,
            high_freq_factor: number("high_freq_factor")?,
            original_max_position_embeddings: number("original_max_position_embeddings")?,
            attention_factor: number("attention_factor")?,
            beta_fast: number("beta_fast")?,
            beta_slow: number("beta_slow")?,
            mscale: number("mscale")?,
            mscale_all_dim: number("mscale_all_dim")?,
            truncate: fields.flag("truncate").map_err(within)?,
            short_factor: fields.numbers("short_factor").map_err(within)?,
            long_factor: fields.numbers("long_factor").map_err(within)?,
        })
    }
}

/// Whether two values mean the same: numbers by their value, and the type that was called otherwise once.
fn same(a: &Value, b: &Value) -> bool {
    let renamed =
        |value: &Value| value.as_str().map(|text| if text == "su" { "longrope".to_owned() } else { text.to_owned() });
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => a.total_cmp(&b).is_eq(),
        _ => a == b || (a.is_string() && renamed(a) == renamed(b)),
    }
}
