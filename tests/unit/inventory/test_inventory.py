"""The inventory: Ansible reads it, Baremark reads Ansible; mistakes are told all at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import inventory
from harness.errors import EXIT_USE, UseError
from harness.inventory.variables import known_variables
from harness.model.cpus import cpu_list
from harness.model.target import Size

GOOD = """\
all:
  vars:
    baremark_vcpus: 2
    baremark_memory_mib: 1024
    baremark_disk_gib: 2
    baremark_cpus: "2,3"
  children:
    rack1: {hosts: {metal: }}
    baremetal:
      hosts:
        metal: {ansible_connection: local}
    docker:
      hosts:
        box: {baremark_host: metal}
    kvm:
      hosts:
        guest: {baremark_host: metal}
        a-guest: {baremark_host: metal, baremark_address: 198.18.0.10}
"""


def written(folder: Path, text: str) -> Path:
    file = folder / "hosts.yml"
    file.write_text(text)
    return file


def mistakes(folder: Path, text: str) -> str:
    with pytest.raises(UseError) as caught:
        inventory.load(written(folder, text))
    assert caught.value.exit_code == EXIT_USE
    assert caught.value.hint
    return caught.value.message


def test_a_host_has_its_native_target_first_and_then_all_others(tmp_path: Path) -> None:
    (host,) = inventory.load(written(tmp_path, GOOD))
    assert host.name == "metal"
    assert host.local
    assert [target.name for target in host.targets] == ["metal", "a-guest", "box", "guest"]
    assert [target.backend for target in host.targets] == ["baremetal", "kvm", "docker", "kvm"]
    assert {target.size for target in host.targets} == {Size(2, 1024, 2, (2, 3))}


def test_every_target_has_an_address_of_its_own_on_the_bench_network(tmp_path: Path) -> None:
    (host,) = inventory.load(written(tmp_path, GOOD))
    addresses = [target.address for target in host.targets]
    assert addresses == ["198.18.0.1", "198.18.0.10", "198.18.0.11", "198.18.0.12"]


def test_group_vars_of_the_inventory_are_ansibles_own_and_just_work(tmp_path: Path) -> None:
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "group_vars" / "kvm.yml").write_text("baremark_host: metal\n")
    text = GOOD.replace("guest: {baremark_host: metal}", "guest: {}")
    (host,) = inventory.load(written(tmp_path, text))
    assert "guest" in {target.name for target in host.targets}


def test_all_mistakes_are_told_at_once_with_file_line_and_key(tmp_path: Path) -> None:
    text = """\
all:
  vars: {baremark_vcpus: 2, baremark_memory_mib: 1024, baremark_disk_gib: 2}
  children:
    baremetal:
      hosts:
        metal: {ansible_connection: local}
    dokcer:
      hosts:
        box: {baremark_host: metal}
    kvm:
      hosts:
        one:
          baremark_host: nobody
        two:
          baremark_host: metal
          baremark_memory_mib: lots
        three: {baremark_host: metal, baremark_cpus: "0"}
        four: {}
        five:
          baremark_host: metal
          baremark_disk_gib: 3
        six: {baremark_host: metal, baremark_address: 198.18.0.20}
        seven: {baremark_host: metal, baremark_address: 198.18.0.20}
        eight: {baremark_host: metal, baremark_address: 10.0.0.1}
"""
    said = mistakes(tmp_path, text)
    file = tmp_path / "hosts.yml"
    for expected in (
        "host box: dokcer: unknown group dokcer; a target's group is its backend: baremetal",
        "host one: baremark_host: 'nobody' is no native target",
        "(is 'lots')",
        "host three: baremark_cpus: names 1 CPUs for 2 vCPUs",
        "host four: baremark_host: is missing",
        "host five: baremark_vcpus: is of another size",
        "two targets on one address and port: 198.18.0.20:22",
        "10.0.0.1 is not a free address of the bench network",
    ):
        assert expected in said, said
    assert f"{file}:16" in said
    assert said.count("\n") >= 8


def test_a_missing_native_target_is_told(tmp_path: Path) -> None:
    said = mistakes(tmp_path, GOOD.replace("metal: {ansible_connection: local}", ""))
    assert "is no native target" in said


def test_one_machine_may_be_native_only_once(tmp_path: Path) -> None:
    text = GOOD.replace(
        "metal: {ansible_connection: local}",
        "metal: {ansible_connection: local}\n        again: {ansible_connection: local}",
    )
    assert "two native targets on one machine and port" in mistakes(tmp_path, text)


def test_a_target_in_two_backends_is_refused(tmp_path: Path) -> None:
    text = GOOD.replace("box: {baremark_host: metal}", "guest: {}")
    assert "is in two backends" in mistakes(tmp_path, text)


def test_an_inventory_that_ansible_cannot_read_is_told_in_ansibles_words(tmp_path: Path) -> None:
    said = mistakes(tmp_path, "all:\n  hosts: {a: b: c}\n")
    assert "Ansible cannot read" in said
    assert "hosts.yml:2:12" in said


def test_an_inventory_without_targets_is_refused(tmp_path: Path) -> None:
    assert "there is no target in this inventory" in mistakes(tmp_path, "all: {}\n")


def test_an_inventory_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UseError, match="there is no inventory"):
        inventory.load(tmp_path / "none")


KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB"
ADOPTED = f"""
    hyperv:
      hosts:
        theirs:
          baremark_adopt: true
          ansible_host: 192.0.2.7
          ansible_port: 2222
          ansible_user: bench
          baremark_host_key: {KEY} a comment
          baremark_work: /home/bench
          baremark_host: metal
          baremark_same_machine: true
"""


def test_an_adopted_target_says_where_it_is_and_gets_no_address_of_the_bench(
    tmp_path: Path,
) -> None:
    (host,) = inventory.load(written(tmp_path, GOOD + ADOPTED))
    (target,) = (target for target in host.targets if target.adopted)
    assert (target.name, target.backend, target.address) == ("theirs", "hyperv", "")
    assert not target.elsewhere
    endpoint = host.adopted["theirs"]
    assert (endpoint.address, endpoint.port, endpoint.user) == ("192.0.2.7", 2222, "bench")
    assert endpoint.host_key == KEY
    assert endpoint.work.startswith("/home/bench/")
    assert endpoint.store.startswith("/home/bench/")
    others = [each for each in host.targets if not each.adopted and not each.native]
    assert [each.address for each in others] == ["198.18.0.10", "198.18.0.11", "198.18.0.12"]


@pytest.mark.parametrize("line", ["baremark_host_key", "baremark_same_machine", "baremark_work"])
def test_what_an_adopted_target_must_say_is_asked_for(tmp_path: Path, line: str) -> None:
    lines = [each for each in (GOOD + ADOPTED).splitlines() if f"{line}:" not in each]
    said = mistakes(tmp_path, "\n".join(lines) + "\n")
    assert f"host theirs: {line}: is missing" in said
    if line == "baremark_host_key":
        assert "never from the network" in said
        assert "cat /etc/ssh/ssh_host_ed25519_key.pub" in said


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (KEY, "ssh-rsa AAAA", "must be 'ssh-ed25519 AAAA…'"),
        (KEY, KEY[:-6], "must be 'ssh-ed25519 AAAA…'"),
        ("/home/bench", "/home/bench/..", "must be an absolute path"),
        ("/home/bench", "/home/a b; rm", "must be an absolute path"),
        ("/home/bench", "/", "must be an absolute path"),
        ("192.0.2.7", '"{{ somewhere }}"', "a template is not read"),
        ("ansible_port", "baremark_address: 198.18.0.30\n          ansible_port", "ansible_host"),
    ],
)
def test_what_an_adopted_target_may_not_say_is_told(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    assert said in mistakes(tmp_path, GOOD + ADOPTED.replace(old, new))


def test_what_no_role_makes_can_only_be_adopted(tmp_path: Path) -> None:
    text = ADOPTED.replace("hyperv:", "cloud:").replace("adopt: true", "adopt: false")
    said = mistakes(tmp_path, GOOD + text)
    assert "no target can be made by cloud, only adopted: baremark_adopt: true" in said


def test_nothing_is_made_on_a_machine_that_is_adopted(tmp_path: Path) -> None:
    metal = f"metal: {{baremark_adopt: true, baremark_host_key: {KEY}, baremark_work: /srv}}"
    text = GOOD.replace("metal: {ansible_connection: local}", metal)
    said = mistakes(tmp_path, text)
    assert "its machine metal is adopted, so nothing is made there" in said


def test_one_place_is_adopted_once(tmp_path: Path) -> None:
    again = ADOPTED.replace("theirs:", "again:").split("hosts:\n")[1]
    assert "two adopted targets on one address and port" in mistakes(
        tmp_path, GOOD + ADOPTED + again.lstrip("\n")
    )


def test_choosing_targets_keeps_the_native_one_as_the_baseline(tmp_path: Path) -> None:
    hosts = inventory.load(written(tmp_path, GOOD))
    assert [t.name for t in inventory.choose(hosts, ["docker"])[0].targets] == ["metal", "box"]
    assert [t.name for t in inventory.choose(hosts, ["*guest"])[0].targets] == [
        "metal",
        "a-guest",
        "guest",
    ]
    with pytest.raises(UseError, match="no target matches 'xen'"):
        inventory.choose(hosts, ["xen"])


@pytest.mark.parametrize(
    ("written_as", "cpus"),
    [("0", (0,)), (3, (3,)), ("3-3", (3,)), ("0,2-4", (0, 2, 3, 4)), ([1, "3-4"], (1, 3, 4))],
)
def test_cpu_lists_are_read_as_linux_writes_them(written_as: object, cpus: tuple[int]) -> None:
    assert cpu_list(written_as) == cpus


@pytest.mark.parametrize("wrong", ["", "a", "1-", "0;1", True, "3-2", -1, 9000, "0-999999999"])
def test_what_is_no_cpu_list_is_refused(wrong: object) -> None:
    with pytest.raises(ValueError, match="CPU numbers"):
        cpu_list(wrong)


INVENTORIES = sorted(Path(__file__).parents[3].glob("inventories/*/hosts.yml"))


@pytest.mark.parametrize("file", INVENTORIES, ids=lambda file: file.parent.name)
def test_the_inventories_of_the_project_are_valid(file: Path) -> None:
    assert inventory.load(file.parent)


def test_cpus_that_are_none_are_no_wish_for_the_first_ones(tmp_path: Path) -> None:
    said = mistakes(tmp_path, GOOD.replace('"2,3"', "[]"))
    assert "baremark_cpus: names 0 CPUs for 2 vCPUs" in said


def test_a_misspelt_variable_is_told_once_with_the_nearest_one(tmp_path: Path) -> None:
    said = mistakes(tmp_path, GOOD.replace("baremark_cpus", "baremark_cpu"))
    assert said.count("\n") == 1
    assert (
        f"{tmp_path}/hosts.yml:6: host a-guest, box, guest, metal: baremark_cpu: no role knows "
        "this variable; is baremark_cpus meant?"
    ) in said


def test_a_variable_of_any_role_is_known_by_the_roles_own_files(tmp_path: Path) -> None:
    """One of arguments, one of defaults, one that only the inventory's reader has."""
    assert {"baremark_boot_s", "baremark_bench_nic", "baremark_mirror", "baremark_address"} <= (
        known_variables()
    )
    text = GOOD.replace("baremark_disk_gib: 2", "baremark_disk_gib: 2\n    my_own: 1")
    assert inventory.load(written(tmp_path, text))


def test_a_peer_must_be_a_host_of_the_group_peer(tmp_path: Path) -> None:
    peer = "metal: {ansible_connection: local, baremark_peer: far}"
    text = GOOD.replace("metal: {ansible_connection: local}", peer)
    said = mistakes(tmp_path, text)
    assert "host metal: baremark_peer: 'far' is no peer: there is no such host" in said
    assert inventory.load(written(tmp_path, text + "    peer: {hosts: {far: {}}}\n"))


def test_a_native_target_with_a_mistake_is_native_all_the_same(tmp_path: Path) -> None:
    said = mistakes(tmp_path, GOOD.replace("local}", "local, baremark_disk_gib: few}"))
    assert "host metal: baremark_disk_gib" in said
    assert "no native target" not in said
    assert "there is no target" not in said


def test_more_targets_than_addresses_are_told(tmp_path: Path) -> None:
    many = "".join(f"        c{n}: {{baremark_host: metal}}\n" for n in range(113))
    text = GOOD.replace("    kvm:\n", f"{many}    kvm:\n")
    assert len(inventory.load(written(tmp_path, text))[0].targets) == 117
    one_more = text.replace("    kvm:\n", "        c: {baremark_host: metal}\n    kvm:\n")
    said = mistakes(tmp_path, one_more)
    assert "116 targets on it need an address of the bench network, which has 115 left" in said


def test_an_inventory_file_is_searched_with_its_variables_and_nothing_else_is(
    tmp_path: Path,
) -> None:
    (tmp_path / "other.yml").write_text("baremark_memory_mib: lots\n")
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "group_vars" / "kvm.yml").write_text("baremark_memory_mib: lots\n")
    said = mistakes(tmp_path, GOOD)
    assert "group_vars/kvm.yml:1" in said
    assert "other.yml" not in said


def test_more_cpus_than_any_machine_has_are_told_and_not_counted(tmp_path: Path) -> None:
    said = mistakes(tmp_path, GOOD.replace("vcpus: 2", "vcpus: 1000000000"))
    assert "baremark_vcpus: input should be less than or equal to 8192 (is 1000000000)" in said


NEW = """\
[baremetal]
rack4 {first}
rack5 {second}
[all:vars]
baremark_vcpus=2
baremark_memory_mib=2048
baremark_disk_gib=4
"""


def ini(folder: Path, text: str) -> Path:
    file = folder / "hosts.ini"
    file.write_text(text)
    return file


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("ansible_ssh_host=127.0.0.1 ansible_ssh_port=9", "ansible_host=127.0.0.1 ansible_port=9"),
        ("ansible_host=LOCALHOST ansible_port=9", "ansible_host=127.0.0.1 ansible_port=9"),
        ("ansible_host=::1 ansible_port=9", "ansible_host=127.0.0.1 ansible_port=9"),
        ("ansible_host=::ffff:192.0.2.1", "ansible_host=192.0.2.1"),
        ("ansible_host=nowhere.invalid.", "ansible_host=Nowhere.invalid"),
        ("ansible_connection=local", "ansible_host=127.0.0.1"),
    ],
)
def test_one_machine_is_seen_through_its_other_names(
    tmp_path: Path, first: str, second: str
) -> None:
    with pytest.raises(
        UseError, match=r"two native targets on one machine and port.* is rack4 too"
    ):
        inventory.load(ini(tmp_path, NEW.format(first=first, second=second)))


def test_a_forwarded_port_of_the_loopback_is_another_machine(tmp_path: Path) -> None:
    text = NEW.format(first="ansible_connection=local", second="ansible_ssh_host=127.0.0.1")
    (one, other) = inventory.load(ini(tmp_path, text.replace("0.0.1", "0.0.1 ansible_port=2222")))
    assert (one.name, other.name) == ("rack4", "rack5")


def test_one_machine_is_seen_through_the_users_ssh_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "config").write_text("Host rack5\n  HostName 192.0.2.4\n  Port 2222\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    text = NEW.format(first="ansible_host=192.0.2.4 ansible_port=2222", second="")
    with pytest.raises(UseError, match=r"192\.0\.2\.4:2222 is rack4 too"):
        inventory.load(ini(tmp_path, text))


def test_two_native_targets_with_one_host_key_are_told(tmp_path: Path) -> None:
    text = NEW.format(first="", second="") + (
        f"baremark_adopt=yes\nbaremark_work=/srv\nbaremark_host_key={KEY}\n"
    )
    with pytest.raises(UseError, match="two native targets with one host key: rack4 has it too"):
        inventory.load(ini(tmp_path, text))


ADOPTED_INI = f"""\
[baremetal]
rack4 {{}}
[all:vars]
baremark_adopt=true
baremark_vcpus=2
baremark_memory_mib=2048
baremark_disk_gib=4
baremark_work=/srv/bench
baremark_host_key={KEY}
"""


def test_the_old_names_of_a_connection_are_read_as_ansible_reads_them(tmp_path: Path) -> None:
    said = (
        "ansible_ssh_host=127.0.0.1 ansible_ssh_port=9 ansible_ssh_user=bench "
        "ansible_ssh_private_key_file=/keys/lab_ed25519"
    )
    (host,) = inventory.load(ini(tmp_path, ADOPTED_INI.format(said)))
    at = host.adopted["rack4"]
    assert (at.address, at.port, at.user) == ("127.0.0.1", 9, "bench")
    assert at.facts["private_key"] == "/keys/lab_ed25519"


def test_baremarks_own_word_for_the_key_counts_before_ansibles(tmp_path: Path) -> None:
    said = "ansible_private_key_file=/keys/a baremark_private_key=/keys/b"
    (host,) = inventory.load(ini(tmp_path, ADOPTED_INI.format(said)))
    assert host.adopted["rack4"].facts["private_key"] == "/keys/b"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("ansible_host=a ansible_ssh_host=b", "hosts.ini:2: host rack4: ansible_ssh_host: is an"),
        ("ansible_ssh_port=many", "hosts.ini:2: host rack4: ansible_ssh_port: "),
        ("ansible_ssh_common_args='-o ProxyJump=a@b'", "ansible_ssh_common_args: is not used"),
        ("ansible_ssh_extra_args='-oproxycommand=\"ssh -W %h:%p b\"'", "has proxycommand"),
        ("ansible_ssh_args='-C -4J b'", "has -J (proxyjump)"),
        ("ansible_ssh_args='-o \"Port 23\"'", "has Port"),
        ("ansible_ssh_common_args='-F other'", "has -F (a configuration file)"),
        ("ansible_ssh_common_args='{{ jump }}'", "a template, which is not read"),
    ],
)
def test_what_leads_an_ssh_connection_elsewhere_is_refused_by_name(
    tmp_path: Path, said: str, told: str
) -> None:
    with pytest.raises(UseError) as caught:
        inventory.load(ini(tmp_path, ADOPTED_INI.format(said)))
    assert told in caught.value.message


@pytest.mark.parametrize("adopted", ["true", "false"])
def test_options_of_ssh_that_lead_nowhere_else_are_left_alone(tmp_path: Path, adopted: str) -> None:
    said = "ansible_ssh_common_args='-o StrictHostKeyChecking=yes -c aes128-ctr -o ProxyJump=none'"
    text = ADOPTED_INI.format(said).replace("adopt=true", f"adopt={adopted}")
    assert inventory.load(ini(tmp_path, text))


def test_a_jump_host_of_a_machine_that_is_provisioned_needs_an_address_of_ours(
    tmp_path: Path,
) -> None:
    text = ADOPTED_INI.replace("adopt=true", "adopt=no").format(
        "ansible_ssh_common_args='-J gateway'"
    )
    with pytest.raises(UseError, match="set baremark_ssh_address"):
        inventory.load(ini(tmp_path, text))
    assert inventory.load(ini(tmp_path, text + "baremark_ssh_address=127.0.0.1\n"))


@pytest.mark.parametrize(
    ("word", "elsewhere"),
    [("false", True), ("no", True), ("0", True), ("False", True), ("yes", False), ("1", False)],
)
def test_truths_may_be_written_as_ini_files_do(tmp_path: Path, word: str, elsewhere: bool) -> None:
    text = (
        ADOPTED_INI.format("")
        + "[cloud]\nguest\n[cloud:vars]\n"
        + (f"baremark_host=rack4\nbaremark_same_machine={word}\nansible_host=192.0.2.9\n")
    )
    (host,) = inventory.load(ini(tmp_path, text))
    (guest,) = (target for target in host.targets if not target.native)
    assert guest.elsewhere is elsewhere


@pytest.mark.parametrize("locale", ["C", "xx_XX.ISO-8859-15"])
def test_the_locale_of_the_terminal_is_nothing_to_an_inventory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, locale: str
) -> None:
    monkeypatch.setenv("LC_ALL", locale)
    monkeypatch.setenv("PYTHONIOENCODING", "iso-8859-15")
    (host,) = inventory.load(written(tmp_path, "# Gerät Δ\n" + GOOD))
    assert host.name == "metal"
