"""Which addresses are public: the table, its edges, and what Python's own judgement gets wrong."""

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient_client.wire.public_addresses import GLOBAL_UNICAST, NOT_PUBLIC, why_not_public

PUBLIC = [
    *("8.8.8.8", "1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255"),
    *("128.0.0.0", "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "192.0.1.0", "192.167.255.255"),
    *("192.169.0.0", "198.17.255.255", "198.20.0.0", "223.255.255.255", "168.63.129.15", "168.63.129.17"),
    *("2606:4700:4700::1111", "2001:4860:4860::8888", "2001:200::1", "2a00::1", "2003::1", "2620:4f:8000::1"),
    *("::ffff:8.8.8.8", "2606:4700::1%eth0"),
]
PRIVATE = {
    "metadata": ["169.254.169.254", "169.254.170.2", "100.100.100.200", "192.0.0.192", "168.63.129.16"]
    + ["fd00:ec2::254", "fd20:ce::254", "::ffff:169.254.169.254", "::ffff:a9fe:a9fe"],
    "loopback": ["127.0.0.1", "127.255.255.254", "::1", "::ffff:127.0.0.1", "::ffff:7f00:1"],
    "link-local": ["169.254.0.1", "169.254.255.255", "fe80::1", "fe80::1%eth0", "febf:ffff::1"],
    "private": ["10.0.0.0", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1", "fc00::1", "fdff::1"],
    "this network": ["0.0.0.0", "0.255.255.255"],
    "shared": ["100.64.0.0", "100.127.255.255"],
    "multicast": ["224.0.0.1", "239.255.255.255", "ff02::1", "ff0e::1"],
    "reserved": ["240.0.0.1", "255.255.255.255", "192.0.0.1", "2001:1::1", "4000::1", "::ffff:0:7f00:1", "5f00::1"],
    "documentation": ["192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1", "3fff::1"],
    "benchmarks": ["198.18.0.1", "198.19.255.255"],
    "unspecified": ["::"],
    "site-local": ["fec0::1"],
    "IPv4-compatible": ["::127.0.0.1", "::8.8.8.8"],
    "NAT64": ["64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::a00:1"],
    "6to4": ["2002:7f00:1::", "2002:a00:1::1", "192.88.99.1"],
    "Teredo": ["2001::1", "2001:0:53aa:64c:0:fbff:f5ff:fffe"],
    "discard": ["100::1"],
    "no IP address": ["", "localhost", "127.1", "0x7f.0.0.1", "/run/s.sock", "256.0.0.1"],
}


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_public(address):
    assert why_not_public(address) is None


@pytest.mark.parametrize(("what", "address"), [(what, one) for what, them in PRIVATE.items() for one in them])
def test_an_address_that_is_not_public_is_told_what_it_is(what, address):
    assert what in why_not_public(address)


@pytest.mark.parametrize("network", [network for network, _, _ in NOT_PUBLIC])
def test_a_network_of_the_table_is_refused_from_its_first_address_to_its_last(network):
    whole = ip_network(network)
    assert why_not_public(str(whole[0])) is not None
    assert why_not_public(str(whole[-1])) is not None


def test_every_entry_of_the_table_names_its_source():
    assert all(what and source for _, what, source in NOT_PUBLIC)


@given(st.ip_addresses(v=4))
def test_what_python_calls_special_is_never_public(address):
    public = why_not_public(str(address)) is None
    assert not public or (address.is_global and not address.is_multicast)


@given(st.ip_addresses(v=6))
def test_outside_the_space_that_is_given_out_nothing_is_public(address):
    if address.ipv4_mapped is None and address not in GLOBAL_UNICAST:
        assert why_not_public(str(address)) is not None


@given(st.ip_addresses(v=4))
def test_a_mapped_address_is_judged_as_what_it_is_mapped_from(address):
    assert why_not_public(f"::ffff:{address}") == why_not_public(str(address))


@given(st.ip_addresses(v=4), st.sampled_from(["::{}", "64:ff9b::{}", "64:ff9b:1::{}", "::ffff:0:{}"]))
def test_no_other_form_with_an_ipv4_address_inside_is_public(address, form):
    assert why_not_public(form.format(address)) is not None


@given(st.ip_addresses(v=6))
def test_the_way_an_address_is_written_does_not_matter(address):
    assert why_not_public(address.exploded.upper()) == why_not_public(str(address))


@given(st.text(max_size=30))
def test_no_text_makes_it_raise(text):
    assert why_not_public(text) is not None or ip_address(text.partition("%")[0])
