//! Many messages at once.

use std::sync::Arc;

use ironpipe::reader::OwnedMessage;
use pyo3::exceptions::PyIndexError;
use pyo3::prelude::*;
use pyo3::types::{PySlice, PyString};

use crate::messages::wrap;

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Batch>()?;
    module.add_class::<OrdinaryOutput>()
}

/// What a batch holds.
pub enum Kept {
    Message(OwnedMessage),
    /// A line of ordinary output.
    Output(Box<[u8]>),
}

/// Messages that are made when they are asked for: ten thousand objects made at once cost more
/// than the same made one by one, because the cycle collector looks at them again and again.
#[pyclass(frozen, sequence, module = "ironpipe")]
pub struct Batch {
    /// Shared with the slices of this batch.
    messages: Arc<Vec<Kept>>,
    /// Those of them that are in this one: invariant: `start + i * step` is a place in `messages`
    /// for each `i` below `length`.
    start: isize,
    step: isize,
    length: usize,
}

/// What stands between the brackets.
#[derive(FromPyObject)]
enum Place<'py> {
    Slice(Bound<'py, PySlice>),
    Index(isize),
}

#[pymethods]
impl Batch {
    fn __len__(&self) -> usize {
        self.length
    }

    fn __getitem__<'py>(&self, py: Python<'py>, place: Place<'py>) -> PyResult<Bound<'py, PyAny>> {
        match place {
            Place::Index(index) => self.message(py, index),
            Place::Slice(slice) => {
                let part = slice.indices(self.length as isize)?;
                let batch = Batch {
                    messages: self.messages.clone(),
                    start: self.start + part.start * self.step,
                    step: self.step.saturating_mul(part.step),
                    length: part.slicelength,
                };
                Ok(Bound::new(py, batch)?.into_any())
            }
        }
    }

    fn __repr__(&self) -> String {
        format!("<Batch of {} messages>", self.length)
    }
}

impl Batch {
    pub fn new(messages: Vec<Kept>) -> Batch {
        Batch {
            start: 0,
            step: 1,
            length: messages.len(),
            messages: Arc::new(messages),
        }
    }

    fn message<'py>(&self, py: Python<'py>, index: isize) -> PyResult<Bound<'py, PyAny>> {
        let length = self.length;
        let place = match index {
            0.. => Some(index.unsigned_abs()),
            _ => length.checked_sub(index.unsigned_abs()),
        };
        let message = place.filter(|&place| place < length).and_then(|place| {
            let at = self.start + place as isize * self.step;
            self.messages.get(at.unsigned_abs())
        });
        match message {
            Some(Kept::Message(message)) => wrap(py, message.get()),
            Some(Kept::Output(line)) => Ok(Bound::new(py, OrdinaryOutput::read(line))?.into_any()),
            None => Err(PyIndexError::new_err(format!(
                "index {index} is outside a batch of {length}"
            ))),
        }
    }
}

/// A line that is no message, where ordinary output shares the channel.
#[pyclass(frozen, eq, hash, module = "ironpipe")]
#[derive(PartialEq, Eq, Hash)]
pub struct OrdinaryOutput {
    #[pyo3(get)]
    text: String,
}

impl OrdinaryOutput {
    pub fn read(line: &[u8]) -> OrdinaryOutput {
        OrdinaryOutput {
            text: String::from_utf8_lossy(line).into_owned(),
        }
    }
}

#[pymethods]
impl OrdinaryOutput {
    #[classattr]
    #[pyo3(name = "__match_args__")]
    const MATCH_ARGS: (&'static str,) = ("text",);

    #[new]
    fn new(text: String) -> Self {
        OrdinaryOutput { text }
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let text = PyString::new(py, &self.text).repr()?;
        Ok(format!("OrdinaryOutput(text={text})"))
    }
}
