//! How many connections each address has open, so that none can take all that there are.
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

/// One connection of its address's share; given back when dropped.
#[derive(Debug)]
pub struct AddressPermit {
    limit: Arc<PerAddressLimit>,
    key: IpAddr,
}

impl PerAddressLimit {
    /// At most so many connections an address.
    #[must_use]
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, open: Mutex::default() })
    }

    /// Counts one more connection of `address`; `None` where it has its share.
    #[must_use]
    pub fn enter(self: &Arc<Self>, address: IpAddr) -> Option<AddressPermit> {
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
        Some(AddressPermit { limit: Arc::clone(self), key })
    }
}

impl Drop for AddressPermit {
    fn drop(&mut self) {
        let mut open = self.limit.open.lock();
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
        let limit = PerAddressLimit::new(2);
        let address = "192.0.2.1".parse().unwrap();
        let first = limit.enter(address).unwrap();
        let _second = limit.enter("::ffff:192.0.2.1".parse().unwrap()).unwrap();
        assert!(limit.enter(address).is_none());
        assert!(limit.enter("192.0.2.2".parse().unwrap()).is_some());
        drop(first);
        assert!(limit.enter(address).is_some());
    }

    #[test]
    fn a_subscriber_s_network_is_one_address_and_nothing_is_left_behind() {
        let limit = PerAddressLimit::new(1);
        let one = limit.enter("2001:db8::1".parse().unwrap());
        assert!(one.is_some());
        assert!(limit.enter("2001:db8::ffff:1".parse().unwrap()).is_none());
        let other = limit.enter("2001:db8:0:1::1".parse().unwrap());
        assert!(other.is_some());
        drop((one, other));
        assert!(limit.open.lock().is_empty());
    }
}
