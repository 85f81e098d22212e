//! Where in a value something stands, as one would write it: `rows[3].name`, `['a key']`.

/// The steps of a place that are shown; a value that holds itself has more than anybody wants.
const SHOWN: usize = 16;
/// How much of a key is shown, in characters.
const SHOWN_OF_KEY: usize = 80;

/// One step into an array or object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Into an array.
    Index(usize),
    /// Into an object; the key as it is, without quotes.
    Key(String),
}

impl Step {
    pub(super) fn key(name: &str) -> Step {
        Step::Key(name.to_owned())
    }
}

/// A place, whose steps are added from the innermost one outwards.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place {
    steps: Vec<Step>,
}

impl Place {
    /// Adds the step that leads to the place so far.
    pub fn push(&mut self, step: Step) {
        self.steps.push(step);
    }

    /// The place in something called `root`, or in its members, which are known by their names, where
    /// that is empty.
    pub fn text(&self, root: &str) -> String {
        let mut text = root.to_owned();
        for step in self.steps.iter().rev().take(SHOWN) {
            match step {
                Step::Index(index) => text.push_str(&format!("[{index}]")),
                Step::Key(key) if is_identifier(key) => {
                    if !text.is_empty() {
                        text.push('.');
                    }
                    text.push_str(key);
                }
                Step::Key(key) => text.push_str(&format!("[{}]", quoted(key))),
            }
        }
        if self.steps.len() > SHOWN {
            text.push('…');
        }
        text
    }
}

/// A key in quotes, cut where it is long.
pub fn quoted(key: &str) -> String {
    let cut: String = key.chars().take(SHOWN_OF_KEY).collect();
    format!("'{}'", cut.escape_debug())
}

fn is_identifier(key: &str) -> bool {
    key.len() <= SHOWN_OF_KEY
        && key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}
