//! How soon a revocation holds through each front: none of them keeps a verdict, so as soon as postern knows.

use super::servers::{Front, RUN};
use super::{Asked, POLICY, TRUSTING};
use crate::support::{Raw, Upstream, Who, eventually, get};
use crate::uwsgi::Service;
use postern::clock::monotonic;
use std::time::Duration;

const ROUNDS: usize = 20;
const BOUND: Duration = Duration::from_millis(250);
/// A machine of two cores may be busy with something else for a while.
const MOST: Duration = Duration::from_secs(2);

#[test]
fn a_revocation_holds_within_the_bound_through_each_front() {
    for name in RUN.into_iter().chain(["nginx-uwsgi"]) {
        let service = Upstream::echo();
        // A real one, with Django.
        let uwsgi = (name == "nginx-uwsgi").then(Service::start);
        let (asked, front) = match &uwsgi {
            Some(uwsgi) => {
                let asked = Asked::before_upstream(&uwsgi.url, "nginx", POLICY, TRUSTING);
                let front = Front::printed_as(name, &asked, |text| text);
                (asked, front)
            }
            None => {
                let asked = Asked::before(service.address(), name, POLICY, TRUSTING);
                let front = Front::before(&asked);
                (asked, front)
            }
        };
        let status = || Raw::connect(front.address).send(get(Who::uA, "/me/x")).answer().status;
        let mut lags: Vec<_> = (0..ROUNDS)
            .map(|_| {
                eventually("the user may", || (status() == 200).then_some(()));
                asked.postern.sql("UPDATE users SET is_active = 0 WHERE username = 'uA'");
                let committed = monotonic();
                while status() == 200 {
                    std::thread::sleep(Duration::from_millis(10));
                }
                let lag = committed.elapsed();
                asked.postern.sql("UPDATE users SET is_active = 1 WHERE username = 'uA'");
                lag
            })
            .collect();
        lags.sort();
        let at = |percent: usize| lags[(lags.len() - 1) * percent / 100];
        println!("{name:12} {ROUNDS} revocations: median {:?}, p99 {:?}, greatest {:?}", at(50), at(99), at(100));
        assert!(at(50) <= BOUND && at(100) <= MOST, "{name}: {lags:?}");
    }
}
