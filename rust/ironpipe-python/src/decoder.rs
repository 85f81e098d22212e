//! Messages from bytes that Python has.

use std::sync::{Mutex, MutexGuard};

use ironpipe::framing::MAX_LINE;
use ironpipe::reader::{Item, MessageDecoder as Decoder};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::sync::MutexExt;
use pyo3::types::{PyBytes, PyString};

use crate::batch::{Batch, Kept};
use crate::report::DeliveryReport;

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<MessageDecoder>()
}

#[pyclass(frozen, module = "ironpipe")]
pub struct MessageDecoder(Mutex<State>);

struct State {
    decoder: Decoder,
    finished: bool,
}

/// What can be pushed.
#[derive(FromPyObject)]
enum Data<'py> {
    Bytes(Bound<'py, PyBytes>),
    Text(Bound<'py, PyString>),
}

impl MessageDecoder {
    fn lock(&self, py: Python<'_>) -> MutexGuard<'_, State> {
        // Nothing that runs under the lock leaves it half done.
        self.0
            .lock_py_attached(py)
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// What `step` makes the decoder give, as often as it gives something.
    fn decode(
        &self,
        py: Python<'_>,
        step: impl FnMut(&mut Decoder) -> bool + Send,
    ) -> PyResult<Batch> {
        let mut state = self.lock(py);
        if state.finished {
            return Err(PyValueError::new_err("the message decoder is finished"));
        }
        let (decoder, mut step) = (&mut state.decoder, step);
        Ok(Batch::new(py.detach(|| {
            let mut kept = Vec::new();
            while step(decoder) {
                while let Some(item) = decoder.take() {
                    kept.push(match item {
                        Item::Message(message) => Kept::Message(message.to_owned()),
                        Item::Output(line) => Kept::Output(line.into()),
                    });
                }
            }
            kept
        })))
    }
}

#[pymethods]
impl MessageDecoder {
    #[new]
    #[pyo3(signature = (*, shared = false, max_line = MAX_LINE))]
    fn new(shared: bool, max_line: usize) -> Self {
        let decoder = match shared {
            false => Decoder::new(max_line),
            true => Decoder::shared(max_line),
        };
        MessageDecoder(Mutex::new(State {
            decoder,
            finished: false,
        }))
    }

    fn push(&self, py: Python<'_>, data: Data<'_>) -> PyResult<Batch> {
        let bytes = match data {
            Data::Bytes(bytes) => bytes,
            // A lone surrogate is no reason to refuse the rest: its line will be.
            Data::Text(text) => text
                .call_method1("encode", ("utf-8", "surrogatepass"))?
                .cast_into()?,
        };
        let mut rest = bytes.as_bytes();
        self.decode(py, |decoder| decoder.push(&mut rest))
    }

    fn end_chunk(&self, py: Python<'_>) -> PyResult<Batch> {
        self.decode(py, Decoder::end_chunk)
    }

    fn finish(&self, py: Python<'_>) -> PyResult<Batch> {
        let batch = self.decode(py, Decoder::finish)?;
        self.lock(py).finished = true;
        Ok(batch)
    }

    #[getter]
    fn report(&self, py: Python<'_>) -> DeliveryReport {
        DeliveryReport(self.lock(py).decoder.report())
    }
}
