//! Random numbers for crates that ask `getrandom`: the host's. It must not know who asks.

use super::steps::cutwater::plugin::random;

/// The symbol that getrandom's custom backend calls.
///
/// # Safety
/// `dest` points at `len` writable bytes.
#[unsafe(no_mangle)]
unsafe extern "Rust" fn __getrandom_v03_custom(dest: *mut u8, len: usize) -> Result<(), getrandom::Error> {
    let bytes = random::bytes(len as u32);
    if bytes.len() != len {
        return Err(getrandom::Error::UNEXPECTED);
    }
    // SAFETY: the caller promises `len` writable bytes at `dest`, and `bytes` has just that many.
    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), dest, len) };
    Ok(())
}
