//! How many connections each address has open, so that no address can take all places.
//!
//! IPv6 addresses count by their /64, which is what one subscriber has. The table is bounded by the limit on connections.

use ahash::AHashMap;
use parking_lot::Mutex;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

/// The open connections by address, of all workers.
#[derive(Debug)]
pub struct PerAddressLimit {
    most: usize,
    open: Mutex<AHashMap<IpAddr, usize>>,
}

/// One connection's place among its address's; given back when dropped.
#[derive(Debug)]
pub struct Guest {
    guests: Arc<PerAddressLimit>,
    key: IpAddr,
}

impl PerAddressLimit {
    /// At most so many connections an address.
    #[must_use]
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, open: Mutex::default() })
    }

    /// A place for one more connection of `address`; `None` where it has its share.
    #[must_use]
    pub fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Guest> {
        let key = key(address);
        let mut open = self.open.lock();
        let count = open.entry(key).or_default();
        if *count >= self.most {
            // An entry that was just made for a limit of none.
            if *count == 0 {
                open.remove(&key);
            }
            return None;
        }
        *count += 1;
        drop(open);
        Some(Guest { guests: Arc::clone(self), key })
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut open = self.guests.open.lock();
        if let Some(count) = open.get_mut(&self.key) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                open.remove(&self.key);
            }
        }
    }
}

fn key(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        v4 @ IpAddr::V4(_) => v4,
        IpAddr::V6(v6) => {
            let network = v6.to_bits() >> 64 << 64;
            IpAddr::V6(Ipv6Addr::from_bits(network))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::PerAddressLimit;

    #[test]
    fn an_address_has_its_share_and_gets_a_place_back() {
        let guests = PerAddressLimit::new(2);
        let address = "192.0.2.1".parse().unwrap();
        let first = guests.enter(address).unwrap();
        let _second = guests.enter("::ffff:192.0.2.1".parse().unwrap()).unwrap();
        assert!(guests.enter(address).is_none());
        assert!(guests.enter("192.0.2.2".parse().unwrap()).is_some());
        drop(first);
        assert!(guests.enter(address).is_some());
    }

    #[test]
    fn a_subscriber_s_network_is_one_address_and_nothing_is_left_behind() {
        let guests = PerAddressLimit::new(1);
        let one = guests.enter("2001:db8::1".parse().unwrap());
        assert!(one.is_some());
        assert!(guests.enter("2001:db8::ffff:1".parse().unwrap()).is_none());
        let other = guests.enter("2001:db8:0:1::1".parse().unwrap());
        assert!(other.is_some());
        drop((one, other));
        assert!(guests.open.lock().is_empty());
    }
}
