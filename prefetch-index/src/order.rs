//! Sorting by numbers.
//!
//! The standard library's sorts are generic, and each use of them is 5 to 10 KB of WebAssembly. All of ours go by one or two
//! numbers, so they share one.

/// `items` in ascending order of two numbers each; what is equal keeps its order.
pub fn by_numbers<T>(items: Vec<T>, numbers: impl Fn(&T) -> (u64, u64)) -> Vec<T> {
    // What an archive lists is in this order already, as a rule, and large.
    if items.is_sorted_by_key(&numbers) {
        return items;
    }
    let mut order: Vec<(u64, u64, usize)> = Vec::with_capacity(items.len());
    for (position, item) in items.iter().enumerate() {
        let (first, second) = numbers(item);
        order.push((first, second, position));
    }
    sort(&mut order);
    let mut items: Vec<Option<T>> = items.into_iter().map(Some).collect();
    order.iter().filter_map(|(_, _, position)| items[*position].take()).collect()
}

#[inline(never)]
fn sort(order: &mut [(u64, u64, usize)]) {
    order.sort_unstable();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorts_as_a_stable_sort_by_the_pair_does() {
        let items: Vec<(u64, u64, char)> =
            vec![(2, 0, 'a'), (1, 9, 'b'), (2, 0, 'c'), (1, 3, 'd'), (2, 0, 'e')];
        let mut expected = items.clone();
        expected.sort_by_key(|item| (item.0, item.1));
        assert_eq!(by_numbers(items, |item| (item.0, item.1)), expected);
        assert!(by_numbers(Vec::<u8>::new(), |_| (0, 0)).is_empty());
    }
}
