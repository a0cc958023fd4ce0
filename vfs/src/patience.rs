//! How long a transfer that brings nothing is waited for.
//!
//! It is the line's silence that counts, not the transfer's: on a slow line a request may wait for minutes until its
//! connection (browsers open six to a host over HTTP/1.1), or its turn in one, is free of those before it. So a connection
//! that is dead among others that live is given up only after those.

/// How long nothing may come, seconds. A phone that changes cells is silent for a few; Chromium itself waits five minutes.
pub const PATIENCE: u32 = 20;

/// The patience of one transfer. Counted in ticks of one second, so that a thread which Python kept busy does not take its
/// own silence for the server's.
#[derive(Debug)]
pub struct Patience {
    ticks: u32,
    arrived: u32,
}

impl Patience {
    /// `arrived`: a count that changes whenever any transfer brings something.
    pub fn new(arrived: u32) -> Self {
        Self { ticks: 0, arrived }
    }

    /// A second has gone by without a byte of this transfer. Whether to go on waiting for it.
    pub fn goes_on(&mut self, arrived: u32) -> bool {
        self.ticks = if self.arrived == arrived { self.ticks + 1 } else { 0 };
        self.arrived = arrived;
        self.ticks < PATIENCE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// For how many seconds a transfer that brings nothing is waited for while others bring something in these.
    fn waited(busy: std::ops::Range<u32>) -> u32 {
        let mut patience = Patience::new(7);
        let mut arrived = 7u32;
        (1..)
            .find(|second| {
                arrived += u32::from(busy.contains(second));
                !patience.goes_on(arrived)
            })
            .unwrap_or_default()
    }

    #[test]
    fn a_silent_line_is_given_up_and_a_busy_one_waited_for() {
        assert_eq!(waited(0..0), PATIENCE);
        assert_eq!(waited(1..300), 299 + PATIENCE, "from the last that came");
        assert_eq!(waited(5..6), 5 + PATIENCE);
        assert_eq!(waited(100..200), PATIENCE, "too late");
    }
}
