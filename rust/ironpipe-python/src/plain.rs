//! JSON text of values that are made of built-in types alone, as nearly all are.
//!
//! Nothing of Python's runs while such a value is written, so its parts are borrowed where they lie.
//! At the first thing that would run code, and at all that is to be refused, this gives up: then
//! [`encode`](crate::encode::encode) begins anew, which copies what it walks and tells errors.

use ironpipe::protocol::metadata::{CheckedMetadata, Type};
use ironpipe::protocol::scan::Kind;
use ironpipe::protocol::value::{
    write_json_float, write_json_integer, write_json_key, write_json_string,
};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};
use pyo3::{Borrowed, PyTypeInfo, ffi};

/// The depth from which on a value may hold itself.
pub const SUSPECT: usize = 64;

/// Appends the JSON text of `value` to `out`, and says what it is; none where it gave up, and left
/// a fragment.
pub fn write(value: Borrowed<'_, '_, PyAny>, depth: usize, out: &mut Vec<u8>) -> Option<Kind> {
    if let Some(text) = exact::<PyString>(value) {
        write_json_string(out, text.to_str().ok()?);
        Some(Kind::String)
    } else if let Some(number) = exact::<PyInt>(value) {
        write_json_integer(out, number.extract::<i64>().ok()?);
        Some(Kind::Int)
    } else if let Some(number) = exact::<PyFloat>(value) {
        write_json_float(out, number.value());
        Some(Kind::Float)
    } else if let Some(dict) = exact::<PyDict>(value) {
        object(&dict, depth, out)
    } else if let Some(list) = exact::<PyList>(value) {
        array(&list, depth, out)
    } else if let Some(flag) = exact::<PyBool>(value) {
        out.extend_from_slice(match flag.is_true() {
            true => b"true".as_slice(),
            false => b"false",
        });
        Some(Kind::Bool)
    } else if value.is_none() {
        out.extend_from_slice(b"null");
        Some(Kind::Null)
    } else {
        derived(value, depth, out)
    }
}

/// A tuple, or a value of a subclass: but for a dict, it is read as one of its base.
#[cold]
fn derived(value: Borrowed<'_, '_, PyAny>, depth: usize, out: &mut Vec<u8>) -> Option<Kind> {
    if let Ok(tuple) = value.cast::<PyTuple>() {
        if depth >= SUSPECT {
            return None;
        }
        for (index, value) in tuple.iter_borrowed().enumerate() {
            out.push(if index == 0 { b'[' } else { b',' });
            write(value, depth + 1, out)?;
        }
        out.extend_from_slice(if tuple.is_empty() { b"[]" } else { b"]" });
        Some(Kind::Array)
    } else if let Ok(text) = value.cast::<PyString>() {
        write_json_string(out, text.to_str().ok()?);
        Some(Kind::String)
    } else if let Ok(number) = value.cast::<PyInt>() {
        write_json_integer(out, number.extract::<i64>().ok()?);
        Some(Kind::Int)
    } else if let Ok(number) = value.cast::<PyFloat>() {
        write_json_float(out, number.value());
        Some(Kind::Float)
    } else if let Ok(list) = value.cast::<PyList>() {
        array(&list, depth, out)
    } else {
        None
    }
}

fn array(list: &Bound<'_, PyList>, depth: usize, out: &mut Vec<u8>) -> Option<Kind> {
    if depth >= SUSPECT {
        return None;
    }
    let mut before = b'[';
    let mut at = 0;
    // SAFETY: `write` runs no code of Python's.
    #[allow(unsafe_code)]
    while let Some(value) = unsafe { item(list, at) } {
        out.push(before);
        before = b',';
        write(value, depth + 1, out)?;
        at += 1;
    }
    out.extend_from_slice(if at == 0 { b"[]" } else { b"]" });
    Some(Kind::Array)
}

fn object(dict: &Bound<'_, PyDict>, depth: usize, out: &mut Vec<u8>) -> Option<Kind> {
    if depth >= SUSPECT {
        return None;
    }
    let mut before = b'{';
    let mut at = 0;
    // SAFETY: `write` runs no code of Python's.
    #[allow(unsafe_code)]
    while let Some((key, value)) = unsafe { entry(dict.as_borrowed(), &mut at) } {
        let key = exact::<PyString>(key)?;
        write_json_key(out, before, key.to_str().ok()?);
        before = b',';
        write(value, depth + 1, out)?;
    }
    out.extend_from_slice(if before == b'{' { b"{}" } else { b"}" });
    Some(Kind::Object)
}

/// Appends metadata: by name a raw value, or a dict of a raw value and its type, in this order. None
/// where it gave up, also where Dagster would refuse an entry: what is in `metadata` is then of no use.
pub fn metadata(
    dict: &Bound<'_, PyDict>,
    depth: usize,
    metadata: &mut CheckedMetadata,
) -> Option<()> {
    let mut at = 0;
    // SAFETY: nothing in here runs code of Python's.
    #[allow(unsafe_code)]
    while let Some((name, value)) = unsafe { entry(dict.as_borrowed(), &mut at) } {
        let name = exact::<PyString>(name)?;
        let name = name.to_str().ok()?;
        let (raw_value, type_name) = match exact::<PyDict>(value) {
            Some(typed) => pair(typed)?,
            None if value.cast::<PyDict>().is_ok() => return None,
            None => (value, Type::Infer),
        };
        metadata.begin(|out| write_json_string(out, name));
        let kind = write(raw_value, depth, metadata.value())?;
        metadata.end(kind, type_name).ok()?;
    }
    Some(())
}

/// A raw value and its type, of a dict of just these two.
fn pair<'a, 'py>(dict: Borrowed<'a, 'py, PyDict>) -> Option<(Borrowed<'a, 'py, PyAny>, Type)> {
    let mut at = 0;
    let mut next = |wanted: &str| {
        // SAFETY: who called this runs no code of Python's while it has the value.
        #[allow(unsafe_code)]
        let (key, value) = unsafe { entry(dict, &mut at) }?;
        let key = exact::<PyString>(key)?;
        (key.to_str().ok()? == wanted).then_some(value)
    };
    let (raw_value, type_name) = match dict.len() {
        2 => (next("raw_value")?, next("type")?),
        _ => return None,
    };
    let type_name = exact::<PyString>(type_name)?;
    Type::from_name(type_name.to_str().ok()?.as_bytes()).map(|known| (raw_value, known))
}

/// The value as one of a built-in type itself. Unlike a cast it makes no error.
#[inline(always)]
fn exact<'a, 'py, T: PyTypeInfo>(value: Borrowed<'a, 'py, PyAny>) -> Option<Borrowed<'a, 'py, T>> {
    match value.is_exact_instance_of::<T>() {
        true => value.cast_exact().ok(),
        false => None,
    }
}

/// The next entry of a dict.
///
/// # Safety
/// No code of Python's may run until the last use of the entry and until the dict has been walked:
/// the dict alone keeps its entries alive, and no other thread changes it as long as this one has
/// the interpreter.
#[inline(always)]
#[allow(unsafe_code)]
unsafe fn entry<'a, 'py>(
    dict: Borrowed<'a, 'py, PyDict>,
    at: &mut ffi::Py_ssize_t,
) -> Option<(Borrowed<'a, 'py, PyAny>, Borrowed<'a, 'py, PyAny>)> {
    let (mut key, mut value) = (std::ptr::null_mut(), std::ptr::null_mut());
    // SAFETY: it is a dict; where there is an entry, both pointers are set to objects that live.
    unsafe {
        if ffi::PyDict_Next(dict.as_ptr(), at, &mut key, &mut value) == 0 {
            return None;
        }
        let py = dict.py();
        Some((Borrowed::from_ptr(py, key), Borrowed::from_ptr(py, value)))
    }
}

/// An item of a list; none behind its last.
///
/// # Safety
/// As for [`entry`].
#[inline(always)]
#[allow(unsafe_code)]
unsafe fn item<'a, 'py>(
    list: &'a Bound<'py, PyList>,
    at: usize,
) -> Option<Borrowed<'a, 'py, PyAny>> {
    if at >= list.len() {
        return None;
    }
    // SAFETY: it is a list, which has an item there that lives.
    unsafe {
        let item = ffi::PyList_GetItem(list.as_ptr(), at as ffi::Py_ssize_t);
        Some(Borrowed::from_ptr(list.py(), item))
    }
}
