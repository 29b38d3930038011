//! Subnets for networks whose maker named none.

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// dockerd's default address pools: 172.17 to 172.31 as /16, then 192.168 in pieces of /20.
pub(crate) fn default_pools() -> Vec<IpNet> {
    let large = (17..=31u8).map(|n| Ipv4Net::new([172, n, 0, 0].into(), 16).expect("16 is a prefix length"));
    let small = (0..16u8).map(|n| Ipv4Net::new([192, 168, n * 16, 0].into(), 20).expect("20 is a prefix length"));
    large.chain(small).map(IpNet::V4).collect()
}

/// The first candidate that overlaps nothing in `used`.
pub(crate) fn choose_subnet(candidates: impl IntoIterator<Item = IpNet>, used: &[IpNet]) -> Option<IpNet> {
    candidates.into_iter().find(|c| !used.iter().any(|u| overlap(c, u)))
}

/// The /64 subnets of an engine's own /48 (a unique local address, RFC 4193), the first 4096 of them.
pub(crate) fn unique_local_subnets(base: Ipv6Net) -> impl Iterator<Item = IpNet> {
    let start = u128::from(base.network());
    (0..4096u128).map(move |n| Ipv6Net::new((start | n << 64).into(), 64).expect("64 is a prefix length").into())
}

/// True if the two share an address.
pub(crate) fn overlap(a: &IpNet, b: &IpNet) -> bool {
    a.contains(&b.network()) || b.contains(&a.network())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skips_what_overlaps_in_either_direction() {
        let used: Vec<IpNet> = ["172.17.5.0/24", "172.18.0.0/15"].map(|n| n.parse().unwrap()).into();
        assert_eq!(choose_subnet(default_pools(), &used).unwrap().to_string(), "172.20.0.0/16");
    }

    #[test]
    fn runs_out_after_thirty_one() {
        let mut used = Vec::new();
        while let Some(net) = choose_subnet(default_pools(), &used) {
            used.push(net);
        }
        assert_eq!(used.len(), 31);
        assert_eq!(used[15].to_string(), "192.168.0.0/20");
    }

    #[test]
    fn unique_local_subnets_are_consecutive() {
        let got: Vec<IpNet> = unique_local_subnets("fd12:3456:789a::/48".parse().unwrap()).take(2).collect();
        assert_eq!(got[1].to_string(), "fd12:3456:789a:1::/64");
    }
}
