//! What arrived and what did not, for Python.

use ironpipe::reader::DeliveryReport as Report;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyRange};

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<DeliveryReport>()?;
    module.add_class::<WriterReport>()?;
    module.add_class::<LostChunk>()?;
    module.add_class::<Rejected>()
}

#[pyclass(frozen, eq, module = "ironpipe")]
#[derive(PartialEq)]
pub struct DeliveryReport(pub Report);

#[pymethods]
impl DeliveryReport {
    #[getter]
    fn delivered(&self) -> u64 {
        self.0.delivered
    }

    #[getter]
    fn unnumbered(&self) -> u64 {
        self.0.unnumbered
    }

    #[getter]
    fn opened(&self) -> u64 {
        self.0.opened
    }

    #[getter]
    fn closed(&self) -> u64 {
        self.0.closed
    }

    #[getter]
    fn writers(&self, py: Python<'_>) -> PyResult<Vec<WriterReport>> {
        let writers = self.0.writers.iter();
        writers
            .map(|writer| {
                let gaps = writer.missing.iter();
                Ok(WriterReport {
                    writer: writer.writer.clone(),
                    opened: writer.opened,
                    closed: writer.closed,
                    received: writer.received,
                    repeated: writer.repeated,
                    missing: gaps
                        .map(|gap| {
                            // Called as a class: `PyRange::new` takes no number above 2**63.
                            let ends = (*gap.start(), gap.end().saturating_add(1));
                            let range = py.get_type::<PyRange>().call1(ends)?;
                            Ok(range.cast_into()?.unbind())
                        })
                        .collect::<PyResult<_>>()?,
                })
            })
            .collect()
    }

    #[getter]
    fn rejected(&self) -> Vec<Rejected> {
        let rejected = self.0.rejected.iter();
        rejected
            .map(|line| Rejected {
                offset: line.offset,
                reason: line.reason.clone(),
                head: line.head.clone(),
            })
            .collect()
    }

    #[getter]
    fn rejected_count(&self) -> u64 {
        self.0.rejected_count
    }

    #[getter]
    fn repaired<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let repaired = PyDict::new(py);
        for (what, count) in &self.0.repaired {
            repaired.set_item(what, count)?;
        }
        Ok(repaired)
    }

    #[getter]
    fn missing_count(&self) -> u64 {
        self.0.missing_count()
    }

    #[getter]
    fn repeated_count(&self) -> u64 {
        self.0.repeated_count()
    }

    #[getter]
    fn lost_chunks(&self) -> Vec<LostChunk> {
        let lost = self.0.lost_chunks.iter();
        lost.map(|chunk| LostChunk {
            index: chunk.index,
            and_all_after: chunk.and_all_after,
            reason: chunk.reason.clone(),
        })
        .collect()
    }

    #[getter]
    fn lost_chunk_count(&self) -> u64 {
        self.0.lost_chunk_count
    }

    #[getter]
    fn unclosed(&self) -> u64 {
        self.0.unclosed
    }

    #[getter]
    fn requests(&self) -> u64 {
        self.0.requests
    }

    #[getter]
    fn failed_requests(&self) -> u64 {
        self.0.failed_requests
    }

    #[getter]
    fn trouble(&self) -> Option<&str> {
        self.0.trouble.as_deref()
    }

    #[getter]
    fn chunks(&self) -> u64 {
        self.0.chunks
    }

    #[getter]
    fn is_complete(&self) -> bool {
        self.0.is_complete()
    }

    fn __str__(&self) -> String {
        self.0.to_string()
    }

    fn __repr__(&self) -> String {
        format!("<DeliveryReport: {}>", self.0)
    }
}

#[pyclass(frozen, get_all, module = "ironpipe")]
pub struct WriterReport {
    writer: String,
    opened: bool,
    closed: bool,
    received: u64,
    repeated: u64,
    missing: Vec<Py<PyRange>>,
}

#[pymethods]
impl WriterReport {
    fn __repr__(&self) -> String {
        format!(
            "<WriterReport {}: {} received, {} gaps>",
            self.writer,
            self.received,
            self.missing.len()
        )
    }
}

#[pyclass(frozen, get_all, module = "ironpipe")]
pub struct Rejected {
    offset: u64,
    reason: String,
    head: String,
}

#[pymethods]
impl Rejected {
    fn __repr__(&self) -> String {
        format!("<Rejected at byte {}: {}>", self.offset, self.reason)
    }
}

#[pyclass(frozen, get_all, module = "ironpipe")]
pub struct LostChunk {
    index: u64,
    and_all_after: bool,
    reason: String,
}

#[pymethods]
impl LostChunk {
    fn __repr__(&self) -> String {
        format!("<LostChunk {}: {}>", self.index, self.reason)
    }
}
