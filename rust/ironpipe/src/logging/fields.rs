//! A record in words: its message, and its fields behind it: `rows read rows=12 file="a b.csv"`.

use std::fmt::{self, Write as _};

/// A message and its fields.
#[derive(Debug, Default)]
pub(super) struct Text {
    message: String,
    /// One after the other, with a space before each.
    fields: String,
}

impl Text {
    /// Sets the message.
    pub fn message(&mut self, message: fmt::Arguments<'_>) {
        self.message = message.to_string();
    }

    /// Adds a field that is text. Where it could be taken for several words it is quoted.
    pub fn field(&mut self, name: &str, value: &str) {
        let plain = |c: char| !c.is_whitespace() && !c.is_control() && !matches!(c, '"' | '=');
        match !value.is_empty() && value.chars().all(plain) {
            true => self.raw_field(name, format_args!("{value}")),
            false => self.raw_field(name, format_args!("{value:?}")),
        }
    }

    /// Adds a field in the form that it has by itself.
    pub fn raw_field(&mut self, name: &str, value: fmt::Arguments<'_>) {
        // Formatting fails only if the value's own code says so; there is no more to show then.
        let _ = write!(self.fields, " {name}={value}");
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        f.write_str(match self.message.is_empty() {
            true => self.fields.trim_start(),
            false => &self.fields,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Text;

    #[test]
    fn values_are_quoted_where_they_need_it() {
        let mut text = Text::default();
        for value in ["plain", "", "two words", "a=b", "\"", "line\n"] {
            text.field("k", value);
        }
        text.raw_field("d", format_args!("{:?}", Some(1)));
        let fields = r#"k=plain k="" k="two words" k="a=b" k="\"" k="line\n" d=Some(1)"#;
        assert_eq!(text.to_string(), fields);
        text.message(format_args!("m"));
        assert_eq!(text.to_string(), format!("m {fields}"));
    }
}
