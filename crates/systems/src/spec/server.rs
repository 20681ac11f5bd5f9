//! Addresses of servers, as a recipe states them.

use std::fmt;

use gac_inference::remote::ServerUrl;
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// The addresses of one model's servers: a text, or a list of replicas.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerUrls(pub Vec<ServerUrl>);

impl<'de> Deserialize<'de> for ServerUrls {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UrlOrUrls).map(Self)
    }
}

struct UrlOrUrls;

impl<'de> Visitor<'de> for UrlOrUrls {
    type Value = Vec<ServerUrl>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a server's address, such as \"http://host:8000\", or a list of replicas")
    }

    fn visit_str<E: Error>(self, url: &str) -> Result<Vec<ServerUrl>, E> {
        Ok(vec![url.parse().map_err(E::custom)?])
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut urls: A) -> Result<Vec<ServerUrl>, A::Error> {
        let mut servers: Vec<ServerUrl> = Vec::new();
        while let Some(url) = urls.next_element::<ServerUrl>()? {
            if servers.contains(&url) {
                return Err(A::Error::custom(format!("the server {url} is in the list twice")));
            }
            servers.push(url);
        }
        if servers.is_empty() { Err(A::Error::custom("no server in the list")) } else { Ok(servers) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Vec<String>, String> {
        let urls: ServerUrls = serde_json::from_str(json).map_err(|error| error.to_string())?;
        Ok(urls.0.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn one_address_or_several_are_read() {
        assert_eq!(read(r#""http://a:8000/v1""#).unwrap(), ["http://a:8000"]);
        assert_eq!(read(r#"["http://a", "https://b:1"]"#).unwrap(), ["http://a", "https://b:1"]);
        for (json, part) in [
            (r#"["http://a", "http://a/"]"#, "the server http://a is in the list twice"),
            ("[]", "no server in the list"),
            (r#""a:8000""#, "begins with `http://`"),
            ("3", "expected a server's address"),
        ] {
            let error = read(json).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }
}
