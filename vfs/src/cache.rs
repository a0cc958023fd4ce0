//! Decoded members under a budget in bytes, least recently used dropped first.
//!
//! A source or a library is read once, when it is imported, so the cache is small on purpose: it serves what is read
//! again (data files, `inspect`, two readers at once), and a member that was dropped is decoded or fetched anew.

use std::hash::Hash;

use lru::LruCache;

/// Values that report their size.
pub trait Sized64 {
    /// Bytes this value keeps alive.
    fn bytes(&self) -> u64;
}

impl Sized64 for Vec<u8> {
    fn bytes(&self) -> u64 {
        self.len() as u64
    }
}

/// A cache that forgets the least recently used values once they exceed `budget` bytes together.
#[derive(Debug)]
pub struct Cache<K: Hash + Eq, V: Sized64> {
    entries: LruCache<K, V>,
    budget: u64,
    held: u64,
}

impl<K: Hash + Eq, V: Sized64> Cache<K, V> {
    /// A cache of at most `budget` bytes. A single larger value is kept until the next one arrives.
    pub fn new(budget: u64) -> Self {
        Self { entries: LruCache::unbounded(), budget, held: 0 }
    }

    /// Bytes that may be held.
    pub fn budget(&self) -> u64 {
        self.budget
    }

    /// Bytes held now.
    pub fn held(&self) -> u64 {
        self.held
    }

    /// The value of `key`, which becomes the most recently used.
    pub fn get(&mut self, key: &K) -> Option<&V> {
        self.entries.get(key)
    }

    /// Whether `key` is held; does not count as a use.
    pub fn contains(&self, key: &K) -> bool {
        self.entries.contains(key)
    }

    /// Keeps `value`, dropping others, oldest first, until the budget holds again.
    pub fn insert(&mut self, key: K, value: V) {
        self.held += value.bytes();
        if let Some((_, old)) = self.entries.push(key, value) {
            self.held -= old.bytes();
        }
        while self.held > self.budget && self.entries.len() > 1 {
            let Some((_, old)) = self.entries.pop_lru() else { break };
            self.held -= old.bytes();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_the_least_recently_used_first() {
        let mut cache = Cache::new(10);
        cache.insert('a', vec![0; 4]);
        cache.insert('b', vec![0; 4]);
        assert!(cache.get(&'a').is_some());
        cache.insert('c', vec![0; 4]);
        assert_eq!(
            (cache.contains(&'a'), cache.contains(&'b'), cache.contains(&'c'), cache.held()),
            (true, false, true, 8)
        );
    }

    #[test]
    fn replacing_and_oversized_values_are_counted() {
        let mut cache = Cache::new(10);
        cache.insert('a', vec![0; 4]);
        cache.insert('a', vec![0; 6]);
        assert_eq!(cache.held(), 6);
        cache.insert('b', vec![0; 50]);
        assert_eq!((cache.contains(&'a'), cache.contains(&'b'), cache.held()), (false, true, 50));
        cache.insert('c', vec![0; 1]);
        assert_eq!((cache.contains(&'b'), cache.held()), (false, 1));
    }
}
