//! State that passes from one incarnation of an actor to the next.
//!
//! Most actors begin anew after a crash. Where that would lose something that nobody else knows, the
//! state is an [`Heirloom`]: it lies in its place between incarnations and in one actor's hand while
//! that runs. It has one owner at any time; the lock is held for one move only.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

/// The place where the state lies between incarnations. Cheap to clone.
pub struct Heirloom<T> {
    place: Arc<Place<T>>,
}

struct Place<T> {
    state: Mutex<Option<T>>,
    /// Told when a hand has opened.
    back: Notify,
}

impl<T> Clone for Heirloom<T> {
    fn clone(&self) -> Self {
        Heirloom { place: Arc::clone(&self.place) }
    }
}

impl<T> fmt::Debug for Heirloom<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Heirloom")
    }
}

impl<T> Heirloom<T> {
    /// Puts `state` in its place.
    pub fn new(state: T) -> Self {
        Heirloom { place: Arc::new(Place { state: Mutex::new(Some(state)), back: Notify::new() }) }
    }

    /// Takes the state in hand. While another hand holds it there is nothing to take: a supervisor
    /// runs one incarnation at a time, so `None` means that the one before was killed and has not let
    /// go yet.
    pub fn take(&self) -> Option<Held<T>> {
        let state = self.place.state.lock().take()?;
        Some(Held { state: Some(state), place: Arc::clone(&self.place) })
    }

    /// A hand that holds the state, or nothing while another hand does: [`Held::filled`] waits for it.
    pub fn reach(&self) -> Held<T> {
        Held { state: self.place.state.lock().take(), place: Arc::clone(&self.place) }
    }
}

/// State in an actor's hand. When the hand opens, by a stop or a panic, it is back in its place.
pub struct Held<T> {
    state: Option<T>,
    place: Arc<Place<T>>,
}

impl<T> Held<T> {
    /// Waits until the state is in this hand: until the one before has let go. One hand may wait at a
    /// time.
    pub async fn filled(&mut self) {
        while self.state.is_none() {
            self.state = self.place.state.lock().take();
            if self.state.is_none() {
                self.place.back.notified().await;
            }
        }
    }
}

impl<T> fmt::Debug for Held<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Held")
    }
}

impl<T> Deref for Held<T> {
    type Target = T;
    fn deref(&self) -> &T {
        self.state.as_ref().expect("the state is in hand until the hand opens")
    }
}

impl<T> DerefMut for Held<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.state.as_mut().expect("the state is in hand until the hand opens")
    }
}

impl<T> Drop for Held<T> {
    fn drop(&mut self) {
        if let Some(state) = self.state.take() {
            *self.place.state.lock() = Some(state);
            self.place.back.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_hand_at_a_time_and_a_panic_gives_it_back() {
        let heirloom = Heirloom::new(vec![1]);
        let other = heirloom.clone();
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
            let mut held = other.take().unwrap();
            held.push(2);
            assert!(other.take().is_none(), "it is in another hand");
            panic!("asked to");
        }));
        assert!(outcome.is_err());
        assert_eq!(*heirloom.take().unwrap(), vec![1, 2]);
    }

    #[tokio::test]
    async fn a_hand_waits_until_the_one_before_lets_go() {
        let heirloom = Heirloom::new(1);
        let mut first = heirloom.reach();
        first.filled().await;
        let mut second = heirloom.reach();
        let waiting = tokio::spawn(async move {
            second.filled().await;
            *second
        });
        // A hand that never held it has nothing to give back.
        drop(heirloom.reach());
        *first = 2;
        drop(first);
        assert_eq!(waiting.await.unwrap(), 2);
        assert_eq!(*heirloom.take().unwrap(), 2);
    }
}
