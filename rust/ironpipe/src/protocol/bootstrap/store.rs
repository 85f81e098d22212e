//! Object stores, as the bootstrap values name them.

use std::fmt;

use crate::protocol::value::Value;

/// An object, or what objects begin with, in an object store.
#[derive(Clone, PartialEq, Eq)]
pub struct StoreParams {
    /// `s3://bucket/key`, `gs://bucket/key`, `az://container/key`.
    pub url: String,
    /// The store's settings by name. They may be credentials.
    pub options: Vec<(String, String)>,
}

impl StoreParams {
    /// Reads `url` and `options`; none where there is no `url`.
    ///
    /// # Errors
    /// One has another type. The text is for a sentence that begins with the name of what held the
    /// params.
    pub fn from_value(params: &Value) -> Result<Option<StoreParams>, String> {
        let Some(url) = params.get("url") else {
            return Ok(None);
        };
        let text = url.as_str().ok_or_else(|| mistyped("url", "a string", url));
        let settings = match params.get("options") {
            None | Some(Value::Null) => Some(Vec::new()),
            Some(options) => options.as_object().and_then(|settings| {
                let settings = settings.iter();
                settings
                    .map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
                    .collect()
            }),
        };
        Ok(Some(StoreParams {
            url: text?.to_owned(),
            options: settings
                .ok_or("holds `options`, which must be settings by name, all of them text")?,
        }))
    }

    /// The members of the params, as they are packed.
    pub(super) fn members(&self) -> Vec<(String, Value)> {
        let mut members = vec![("url".to_owned(), self.url.clone().into())];
        if !self.options.is_empty() {
            let settings = self.options.iter();
            let settings = settings.map(|(name, value)| (name.clone(), value.clone().into()));
            members.push(("options".to_owned(), Value::Object(settings.collect())));
        }
        members
    }

    /// The URL as it may be shown.
    pub fn location(&self) -> String {
        without_secrets(&self.url)
    }
}

/// Without the values of the options, and without what is secret in the URL.
impl fmt::Debug for StoreParams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.options.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("StoreParams")
            .field("url", &self.location())
            .field("options", &names)
            .finish()
    }
}

/// Of params that hold a value of another type than they must.
pub(super) fn mistyped(key: &str, must: &str, value: &Value) -> String {
    let kind = value.kind().name();
    format!("holds `{key}`, which must be {must}, not {kind}")
}

/// A URL without user, password and query, which hold keys and signatures.
pub(crate) fn without_secrets(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let rest = match rest.split_once('/') {
        Some((host, path)) => format!("{}/{path}", host.rsplit('@').next().unwrap_or(host)),
        None => rest.rsplit('@').next().unwrap_or(rest).to_owned(),
    };
    match scheme {
        "" => rest,
        scheme => format!("{scheme}://{rest}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_holds_no_secret() {
        let params = br#"{"url": "s3://id:key@b/p?sig=abc", "options": {"secret": "hidden"}}"#;
        let params = StoreParams::from_value(&Value::parse(params).unwrap());
        let shown = format!("{params:?}");
        assert!(
            shown.contains(r#""s3://b/p""#) && shown.contains(r#"["secret"]"#),
            "{shown}"
        );
        assert!(
            !["hidden", "abc", "key"]
                .iter()
                .any(|secret| shown.contains(secret)),
            "{shown}"
        );
    }

    #[test]
    fn what_is_no_setting_is_refused() {
        for params in [
            r#"{"url": 3}"#,
            r#"{"url": "s3://b", "options": []}"#,
            r#"{"url": "s3://b", "options": {"region": 1}}"#,
        ] {
            let params = Value::parse(params.as_bytes()).unwrap();
            assert!(StoreParams::from_value(&params).is_err(), "{params}");
        }
        let params = Value::parse(br#"{"url": "s3://b", "options": null}"#).unwrap();
        let params = StoreParams::from_value(&params).unwrap().unwrap();
        assert!(params.options.is_empty());
    }
}
