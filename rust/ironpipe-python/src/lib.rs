//! The binding.
use pyo3::prelude::*;
/// The module.
#[pymodule]
fn _ironpipe(_m: &Bound<'_, PyModule>) -> PyResult<()> {
    Ok(())
}
