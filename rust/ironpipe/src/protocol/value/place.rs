//! Where in a value something stands, as one would write it: `rows[3].name`, `['a key']`.

/// The steps of a place that are shown; a value that holds itself has more than anybody wants.
const SHOWN: usize = 16;
/// How much of a key is shown, in characters.
const SHOWN_OF_KEY: usize = 80;

/// One step into an array or object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Index(usize),
    Key(String),
}

impl Step {
    pub fn key(name: &str) -> Step {
        Step::Key(name.to_owned())
    }
}

/// A place, whose steps are added from the innermost one outwards.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Place {
    steps: Vec<Step>,
}

impl Place {
    pub fn push(&mut self, step: Step) {
        self.steps.push(step);
    }

    /// The place in something called `root`.
    pub fn text(&self, root: &str) -> String {
        let mut text = root.to_owned();
        for step in self.steps.iter().rev().take(SHOWN) {
            match step {
                Step::Index(index) => text.push_str(&format!("[{index}]")),
                Step::Key(key) if is_identifier(key) => {
                    text.push('.');
                    text.push_str(key);
                }
                Step::Key(key) => {
                    let cut: String = key.chars().take(SHOWN_OF_KEY).collect();
                    text.push_str(&format!("['{}']", cut.escape_debug()));
                }
            }
        }
        if self.steps.len() > SHOWN {
            text.push('…');
        }
        text
    }
}

fn is_identifier(key: &str) -> bool {
    key.len() <= SHOWN_OF_KEY
        && key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}
