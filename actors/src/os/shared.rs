//! A number that a process and its copies have in common (mmap(2), shared and anonymous).
#![expect(unsafe_code, reason = "memory that copies of a process share has no safe wrapper")]

use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};

/// The number. A copy of the process that is made later has the same one.
#[derive(Debug)]
pub struct SharedNumber(NonNull<AtomicU64>);

// SAFETY: the number is atomic, and its memory is given back only with the last owner.
unsafe impl Send for SharedNumber {}
// SAFETY: as above.
unsafe impl Sync for SharedNumber {}

impl SharedNumber {
    /// A number of that value; it takes a page of memory.
    ///
    /// # Errors
    /// Whatever the system says, for want of memory.
    pub fn new(value: u64) -> io::Result<Self> {
        let flags = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: no address is wished for, so nothing that is mapped goes; a mapping begins with a page, which is
        // aligned for the number, and its zeroes are a value of it.
        let memory =
            unsafe { mmap_anonymous(std::ptr::null_mut(), size_of::<AtomicU64>(), flags, MapFlags::SHARED)? };
        let number = SharedNumber(NonNull::new(memory.cast()).ok_or(io::ErrorKind::OutOfMemory)?);
        number.value().store(value, Ordering::Release);
        Ok(number)
    }

    /// Makes it `to` if it is `from`. Of several who try, in whatever process, one can.
    pub fn change(&self, from: u64, to: u64) -> bool {
        self.value().compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    fn value(&self) -> &AtomicU64 {
        // SAFETY: the memory is mapped for as long as this owner lives, and is used as this number only.
        unsafe { self.0.as_ref() }
    }
}

impl Drop for SharedNumber {
    fn drop(&mut self) {
        // SAFETY: the mapping was made with this length, and nobody borrows from it any more. Copies of this process have
        // their own mapping of the same memory.
        let _ = unsafe { munmap(self.0.as_ptr().cast(), size_of::<AtomicU64>()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_several_can_change_it() {
        let number = SharedNumber::new(3).unwrap();
        let winners = std::thread::scope(|scope| {
            let tries: Vec<_> = (0..4).map(|_| scope.spawn(|| number.change(3, 4))).collect();
            tries.into_iter().map(|t| t.join().unwrap()).filter(|won| *won).count()
        });
        assert_eq!(winners, 1);
        assert!(!number.change(3, 5) && number.change(4, 5));
    }
}
