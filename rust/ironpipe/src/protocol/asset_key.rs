//! Asset keys, which travel as one string.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

/// The key of an asset: its parts, from the outermost prefix to the name.
///
/// As a string the parts are joined by `/`; a `/` inside a part is written `\/` and a `\` is
/// written `\\`.
///
/// ```
/// use ironpipe::AssetKey;
///
/// let key = AssetKey::new(["raw", "orders/2024"]);
/// assert_eq!(key.to_string(), r"raw/orders\/2024");
/// assert_eq!(key.to_string().parse(), Ok(key));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AssetKey {
    parts: Vec<String>,
}

impl AssetKey {
    /// A key of these parts.
    pub fn new<P: Into<String>>(parts: impl IntoIterator<Item = P>) -> AssetKey {
        AssetKey {
            parts: parts.into_iter().map(Into::into).collect(),
        }
    }

    /// The key of its string, read as Dagster reads it: a `\` makes the next character an ordinary
    /// one whatever it is, and an empty last part is no part.
    pub fn parse(text: &str) -> AssetKey {
        let mut parts = Vec::new();
        let mut part = String::new();
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            match c {
                '\\' => part.extend(chars.next()),
                '/' => parts.push(std::mem::take(&mut part)),
                other => part.push(other),
            }
        }
        if !part.is_empty() {
            parts.push(part);
        }
        AssetKey { parts }
    }

    /// The parts.
    pub fn parts(&self) -> &[String] {
        &self.parts
    }

    /// The parts, taken out of it.
    pub fn into_parts(self) -> Vec<String> {
        self.parts
    }
}

impl fmt::Display for AssetKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, part) in self.parts.iter().enumerate() {
            if i > 0 {
                f.write_str("/")?;
            }
            f.write_str(&part.replace('\\', r"\\").replace('/', r"\/"))?;
        }
        Ok(())
    }
}

impl From<&AssetKey> for String {
    fn from(key: &AssetKey) -> String {
        key.to_string()
    }
}

impl From<AssetKey> for String {
    fn from(key: AssetKey) -> String {
        key.to_string()
    }
}

impl FromStr for AssetKey {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<AssetKey, Infallible> {
        Ok(AssetKey::parse(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_as_dagster_does() {
        for (text, parts) in [
            ("a", &["a"][..]),
            ("a/b", &["a", "b"]),
            (r"a\/b", &["a/b"]),
            (r"a\\/b", &["a\\", "b"]),
            (r"\a", &["a"]),
            ("a/", &["a"]),
            ("/a", &["", "a"]),
            ("a//b", &["a", "", "b"]),
            ("a\\", &["a"]),
            ("", &[]),
        ] {
            assert_eq!(AssetKey::parse(text).parts(), parts, "{text}");
        }
    }

    proptest! {
        #[test]
        fn parts_come_back(parts in prop::collection::vec("[a/\\\\é]{1,4}", 1..5)) {
            let key = AssetKey::new(parts);
            prop_assert_eq!(AssetKey::parse(&key.to_string()), key);
        }
    }
}
