"""Reading, writing and talking to what is not one's own: refused in every sandbox that works here."""

import json

import nbformat
import pytest
from attacks.catalogue import NETWORK, READING, WRITING, OneCell
from attacks.running import SANDBOXES, outputs, run_notebook, tree
from attacks.world import CANARY, made_world

pytestmark = pytest.mark.slow
CATEGORIES = {"reading": READING, "writing": WRITING, "network": NETWORK}
ATTACKS = [(category, attack) for category, attacks in CATEGORIES.items() for attack in attacks]
NOT_TRIED = OneCell("not-tried", "return None")  # without a sandbox only what aims at canaries alone
IDS = [f"{category}-{attack.name}" for category, attack in ATTACKS]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """All attacks in one notebook of a sandbox: what each cell said, what was heard and changed, and the evidence."""
    known = {}

    def run(sandbox):
        if sandbox not in known:
            root = tmp_path_factory.mktemp(f"world-{sandbox}")
            with made_world(root) as world:
                before = world.files()
                tried = [attack if attack.control or sandbox != "none" else NOT_TRIED for _, attack in ATTACKS]
                sources = [attack.source(world.places()) for attack in tried]
                evidence = run_notebook(tmp_path_factory.mktemp("evidence"), sources, sandbox)
                changed = {p for p in before | world.files() if before.get(p) != world.files().get(p)}
                known[sandbox] = outputs(evidence), tuple(world.heard), changed, evidence
        return known[sandbox]

    return run


@pytest.mark.parametrize("sandbox", SANDBOXES)
@pytest.mark.parametrize(("category", "attack"), ATTACKS, ids=IDS)
def test_it_is_refused(runs, sandbox, category, attack):
    said = runs(sandbox)[0][ATTACKS.index((category, attack))]
    verdict = said.strip().splitlines()[-1]  # the recorder may have said something before
    assert verdict.startswith(("REFUSED", "NOTHING")), said


@pytest.mark.parametrize("sandbox", SANDBOXES)
def test_nothing_was_heard_changed_or_leaked(runs, sandbox):
    _, heard, changed, evidence = runs(sandbox)
    assert heard == ()
    assert changed == set()
    secret = f'"{CANARY}'.encode()  # what the sources say themselves is no leak: values of canaries stand alone
    executed = json.loads((evidence / "executed.ipynb").read_text("utf-8"))
    said = [output for cell in executed["cells"] for output in cell["outputs"]]
    assert secret not in json.dumps(said).encode()
    for path in tree(evidence):
        if path.suffix not in (".ipynb",):
            assert CANARY.encode() not in path.read_bytes(), path


CONTROLS = [i for i, (_, attack) in enumerate(ATTACKS) if attack.control]


def test_the_attacks_would_notice_a_hole(runs):
    """Without a sandbox those that aim at canaries alone succeed, else they would prove nothing."""
    said, heard, changed, _ = runs("none")
    refused = [f"{IDS[i]}: {said[i]}" for i in CONTROLS if not said[i].startswith("GOT")]
    assert len(CONTROLS) >= 30
    assert refused == [], refused
    assert len(heard) >= 4
    assert len(changed) >= 5


def test_every_attack_has_a_name_of_its_own():
    assert len(set(IDS)) == len(IDS)
    assert nbformat.v4.new_code_cell(ATTACKS[0][1].source({})).source.startswith("import os")
