"""What holds for every place of wrapped keys: in memory, and in a bucket of a real nats-server."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from agent_runtime_framework.events import ConversationId, CorruptLog, FrameworkError, InvalidInput, Withheld
from agent_runtime_framework.runtime.clock import new_id
from agent_runtime_framework.runtime.crypto.ciphers import MasterKey, new_key
from agent_runtime_framework.runtime.nats.connection import connect
from agent_runtime_framework.runtime.nats.keys import JetStreamKeys
from agent_runtime_framework.runtime.nats.topology import ensure
from agent_runtime_framework.runtime.vault import Keys, KeyVault, MemoryKeys, Shut
from support.chains import CHAT, OTHER


@pytest.fixture(params=["memory", "jetstream"])
async def keys(request: pytest.FixtureRequest) -> AsyncIterator[Keys]:
    if request.param == "memory":
        yield MemoryKeys()
        return
    client = await connect(request.getfixturevalue("nats_url"))
    yield JetStreamKeys(client, await ensure(client, new_id("keys"), shards=1))
    await client.close()


async def test_there_is_no_place_until_it_is_made(keys: Keys) -> None:
    assert (await keys.there(), await keys.get("c-1")) == (False, None)

    await keys.make()
    await keys.make()

    assert (await keys.there(), await keys.get("c-1")) == (True, None)


async def test_of_two_who_add_a_key_at_once_both_get_the_first(keys: Keys) -> None:
    await keys.make()

    found = await asyncio.gather(*(keys.add("c-1", str(number).encode()) for number in range(10)))

    assert set(found) == {await keys.get("c-1")}


async def test_what_was_erased_leaves_a_mark_under_which_nothing_is_added(keys: Keys) -> None:
    await keys.make()
    await keys.add("c-1", b"one")

    assert await keys.erase("c-1")
    assert not await keys.erase("c-1")
    assert not await keys.erase("c-2")

    assert (await keys.get("c-1"), await keys.get("c-2")) == (b"", b"")
    assert await keys.add("c-1", b"another") == b""


async def test_two_vaults_agree_on_the_key_of_a_conversation(keys: Keys) -> None:
    wrapper = MasterKey(new_key())
    one, other = KeyVault(keys, wrapper), KeyVault(keys, wrapper)
    await one.encrypt()
    await other.encrypt()

    first, second = await asyncio.gather(one.created(CHAT), other.created(CHAT))

    assert first is not None
    assert second is not None
    assert second.open(first.seal(b"hello", b"here"), b"here") == b"hello"


async def test_a_namespace_that_nobody_encrypted_has_no_keys(keys: Keys) -> None:
    vault = KeyVault(keys, MasterKey(new_key()))

    assert await vault.created(CHAT) is None
    assert await vault.cipher(CHAT) is None
    assert not await vault.encrypted()


async def test_without_a_master_key_nothing_is_opened_and_nothing_begun(keys: Keys) -> None:
    vault = KeyVault(keys, MasterKey(new_key()))
    await vault.encrypt()
    cipher = await vault.created(CHAT)
    assert cipher is not None

    without = KeyVault(keys)

    shut = await without.cipher(CHAT)
    assert shut is not None
    with pytest.raises(Withheld, match=r"the content of 'c-1' is sealed, .*set ARF_MASTER_KEY"):
        shut.open(cipher.seal(b"hello", b"here"), b"here")
    with pytest.raises(Withheld, match="namespace 'arf' is encrypted, and there is no master key here"):
        await without.created(OTHER)
    with pytest.raises(InvalidInput, match="encryption needs a master key: set ARF_MASTER_KEY"):
        await without.encrypt()


async def test_another_master_key_is_found_out_when_a_namespace_is_opened(keys: Keys) -> None:
    await KeyVault(keys, MasterKey(new_key())).encrypt()
    wrong = KeyVault(keys, MasterKey(new_key()))

    for opening in (wrong.check, wrong.encrypt):
        with pytest.raises(InvalidInput, match="this is not the master key of namespace 'arf'"):
            await opening()


async def test_where_the_entry_that_tells_the_master_key_is_missing_nobody_goes_on(keys: Keys) -> None:
    await keys.make()
    vault = KeyVault(keys, MasterKey(new_key()))

    with pytest.raises(FrameworkError, match="the keys of namespace 'arf' have no entry 'master'"):
        await vault.check()
    await vault.encrypt()
    await vault.check()


async def test_an_erased_key_is_remembered_only_until_somebody_looks_anew(keys: Keys) -> None:
    wrapper = MasterKey(new_key())
    one, other = KeyVault(keys, wrapper), KeyVault(keys, wrapper)
    await one.encrypt()
    cipher = await one.created(CHAT)
    assert cipher is not None
    assert await one.cipher(CHAT) is cipher

    assert await other.erase(CHAT)

    assert await one.cipher(CHAT) is cipher
    found = await one.cipher(CHAT, anew=True)
    assert isinstance(found, Shut)
    assert found.erased
    assert await one.cipher(CHAT) is found


async def test_a_copy_of_the_check_under_another_name_makes_no_key(keys: Keys) -> None:
    vault = KeyVault(keys, MasterKey(new_key()))
    await vault.encrypt()
    check = await keys.get("master")
    assert check is not None

    for name in ("c.c-1", "secrets"):
        await keys.add(name, check)

    with pytest.raises(FrameworkError, match=r"the key of 'c-1' is a copy of the entry 'master': .*'arf' were changed"):
        await vault.created(CHAT)
    with pytest.raises(FrameworkError, match="the key of secrets in 'arf' is a copy of the entry 'master'"):
        await vault.shared("secrets")


async def test_an_entry_that_was_copied_to_another_name_is_another_key(keys: Keys) -> None:
    vault = KeyVault(keys, MasterKey(new_key()))
    await vault.encrypt()
    first = await vault.created(CHAT)
    entry = await keys.get("c.c-1")
    assert first is not None
    assert entry is not None
    await keys.add("c.c-2", entry)
    sealed = first.seal(b"hello", b"here")
    await vault.erase(CHAT)

    copied = await vault.created(OTHER)

    assert copied is not None
    with pytest.raises(CorruptLog, match="does not open under its key"):
        copied.open(sealed, b"here")


async def test_the_key_of_another_namespace_is_another(keys: Keys) -> None:
    wrapper = MasterKey(new_key())
    await KeyVault(keys, wrapper).encrypt()

    one, other = [await KeyVault(keys, wrapper, namespace=name).shared("secrets") for name in ("one", "other")]

    assert one != other


async def test_a_key_wrapper_that_returns_what_is_no_key_is_told() -> None:
    class Short:
        def wrap(self, key: bytes) -> bytes:
            return key

        def unwrap(self, wrapped: bytes) -> bytes:
            return wrapped if wrapped.startswith(b"agent") else wrapped[:16]

    vault = KeyVault(MemoryKeys(), Short())
    await vault.encrypt()

    with pytest.raises(FrameworkError, match="returned 16 bytes for the key of 'c-1', not the 32 that it was given"):
        await vault.created(CHAT)


async def test_a_key_wrapper_may_be_asynchronous_and_its_errors_are_told() -> None:
    class Service:
        async def wrap(self, key: bytes) -> bytes:
            return key[::-1]

        async def unwrap(self, wrapped: bytes) -> bytes:
            raise TimeoutError("the service is away")

    keys, service = MemoryKeys(), Service()
    with pytest.raises(Exception, match="the key wrapper could not unwrap a key: TimeoutError: the service is away"):
        await KeyVault(keys, service).encrypt()

    service.unwrap = service.wrap  # type: ignore[method-assign, assignment]
    vault = KeyVault(keys, service)
    await vault.encrypt()
    assert await vault.created(ConversationId("c-9")) is not None
