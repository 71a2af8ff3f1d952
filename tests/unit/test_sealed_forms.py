"""What this release sealed is opened for ever: a frame's content, a key as it is kept, the token of a secret."""

from base64 import b64decode

from msgspec import Raw

from agent_runtime_framework.events import (
    ConversationId,
    ConversationStarted,
    Frame,
    ModelRequested,
    TurnStarted,
    UserSpoke,
    decode_frame,
)
from agent_runtime_framework.runtime.crypto.ciphers import AesGcm, MasterKey, derived
from agent_runtime_framework.runtime.secret_keys import KeyedSecrets
from agent_runtime_framework.runtime.vault import KeyVault, MemoryKeys

KEY = bytes(range(32))

FRAME = (
    b'{"first":1,"time":1795700000000,"writer":"w-1","agent":"bot","turn":1,"step":"name","status":"running",'
    b'"command":"m-1","sealed":"4R6DhM2qMuG094oZ7f3yx99mq--9LOsn7OVpTKmUIZ06H3QMfW4UOD31lixiq5MGVKLGojWnqiTivUONqH_Q0jb'
    b"Qyga1P7alco4gVHM2ngjlb1toT0k0s8RUjt5tZeRmfCXtCjfTk5_t32djPzkYx0GUjObGBRTL07hIkMeMPSZmkaW3o1wbOT9ObxM="
    b'","events":[{"type":"conversation.started","agent":"bot","journey_hash":"h","step":"name"},'
    b'{"type":"user.spoke","cause":1,"message_id":"m-1"},{"type":"turn.started","cause":2,"number":1},'
    b'{"type":"model.requested","cause":3,"model":"gpt","first_turn":1,"last_turn":1}]}'
)


def test_a_sealed_frame() -> None:
    assert decode_frame(FRAME, conversation="c-1", cipher=AesGcm(KEY)) == Frame(
        first=1,
        time=1795700000000,
        writer="w-1",
        agent="bot",
        turn=1,
        step="name",
        status="running",
        command="m-1",
        events=(
            ConversationStarted(agent="bot", journey_hash="h", state={"name": Raw(b'""')}, step="name"),
            UserSpoke(message_id="m-1", text="I am Ada", metadata={"channel": "web"}, cause=1),
            TurnStarted(number=1, cause=2),
            ModelRequested(model="gpt", prompt="Ask.", first_turn=1, last_turn=1, request="00ff", cause=3),
        ),
    )


def test_a_wrapped_key() -> None:
    wrapped = b64decode("267vW5tEf+5YUUcpl5mek001/4tKNUIoA/O6z/sf6yr/J9Q0Kgoewatw+SJrgAbKSMTCOp+vhGFohRJz")

    assert MasterKey(KEY).unwrap(wrapped) == KEY[::-1]


def test_the_key_of_a_conversation() -> None:
    key = derived(KEY, b"arf/key/1/arf/c.c-1")

    assert key.hex() == "9bb2ea94a28fbc39cc88721f6855d33659821190b817d455af25ed657a6b4865"


async def test_a_vault_derives_that_key() -> None:
    class Plain:
        def wrap(self, key: bytes) -> bytes:
            return key

        unwrap = wrap

    keys = MemoryKeys()
    vault = KeyVault(keys, Plain())
    await vault.encrypt()
    await keys.add("c.c-1", KEY)

    cipher = await vault.cipher(ConversationId("c-1"))

    assert cipher is not None
    sealed = AesGcm(derived(KEY, b"arf/key/1/arf/c.c-1")).seal(b"hello", b"")
    assert cipher.open(sealed, b"") == b"hello"


def test_the_token_of_a_secret() -> None:
    token = "secret:v1:fWn8gwq3Zi4ijoYnQSCnzJVU8Y0TMf8"

    assert KeyedSecrets(KEY, "arf").open("c-1", token) == "hunter2"
    assert KeyedSecrets(KEY, "arf").seal("c-1", "hunter2") == token
