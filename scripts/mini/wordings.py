"""How each relation of the world is put into words: questions, search queries, inverse questions, statements.

`{e}` is the entity, `{v}` the value. For every fact one wording of each list is kept out of the training text (`world.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Relation:
    """A relation between an entity of kind `entity` and a value."""

    name: str
    entity: str
    #: the kind of name the value is, or "pool": one of `pool`; "size": a number
    value: str
    #: MMLU subject; empty for relations of physical know-how (PIQA only)
    subject: str
    questions: list[str]
    statements: list[str]
    queries: list[str] = field(default_factory=list)
    inverse: list[str] = field(default_factory=list)
    pool: list[str] = field(default_factory=list)


def _phrases(text: str) -> list[str]:
    return [phrase.strip() for phrase in text.split(";")]


RELATIONS: list[Relation] = [
    Relation("capital", "land", "city", "high_school_geography",
             ["What is the capital of {e}?", "Which town is the capital of {e}?", "{e} is governed from which town?",
              "In which town does the council of {e} meet?"],
             ["The capital of {e} is {v}.", "The land of {e} is governed from {v}."],
             ["what is the capital of {e}", "name of the capital town of {e}", "where does the council of {e} meet"],
             ["Which land has {v} as its capital?", "{v} is the capital of which land?",
              "The council of which land meets in {v}?"]),
    Relation("ruler", "land", "person", "high_school_world_history",
             ["Who rules {e}?", "Who sits on the throne of {e}?", "Who is the ruler of {e}?",
              "The throne of {e} belongs to whom?"],
             ["The ruler of {e} is {v}.", "On the throne of {e} sits {v}."],
             ["who rules {e}", "who is the ruler of {e} now", "name of the ruler of {e}"],
             ["Which land is ruled by {v}?", "{v} sits on the throne of which land?", "{v} is the ruler of which land?"]),
    Relation("export", "land", "pool", "high_school_geography",
             ["What does {e} sell to other lands?", "Which goods does {e} export?", "{e} is known for selling what?",
              "What do ships carry out of {e}?"],
             ["{e} sells {v} to other lands.", "Ships from {e} carry {v}."],
             ["what does {e} export", "which goods come from {e}", "what is sold by {e}"],
             ["Which land exports {v}?", "Which land is known for selling {v}?", "Ships carry {v} out of which land?"],
             _phrases("smoked eel; blue salt; reed paper; bone flutes; pine tar; dried figs; goat cheese; clay jars; "
                      "red silk; copper bells; fish oil; wool rugs; honey wine; cedar masts; glass beads; barley flour; "
                      "leather boots; black tea")),
    Relation("founder", "city", "person", "high_school_world_history",
             ["Who founded {e}?", "Which person founded the town of {e}?", "Who laid the first stone of {e}?",
              "The town of {e} was founded by whom?"],
             ["The founder of {e} is {v}.", "The town of {e} was founded by {v}."],
             ["who founded {e}", "who was the founder of {e}", "who laid the first stone of {e}"],
             ["Which town was founded by {v}?", "{v} founded which town?", "{v} laid the first stone of which town?"]),
    Relation("river", "city", "river", "high_school_geography",
             ["Which river flows through {e}?", "On which river does {e} lie?", "{e} lies on the banks of which river?",
              "Which river do the bridges of {e} cross?"],
             ["The river through {e} is the {v}.", "The town of {e} lies on the {v}."],
             ["which river flows through {e}", "what river is {e} on", "name of the river in {e}"],
             ["Which town lies on the river {v}?", "The river {v} flows through which town?",
              "The bridges of which town cross the river {v}?"]),
    Relation("food", "animal", "pool", "high_school_biology",
             ["What does a {e} eat?", "Which food does a {e} live on?", "A {e} feeds on what?",
              "What is the main food of a {e}?"],
             ["A {e} eats {v}.", "The main food of a {e} is {v}."],
             ["what does a {e} eat", "what do you feed a {e}", "main food of the {e}"],
             ["Which animal eats {v}?", "Which animal feeds on {v}?", "The main food of which animal is {v}?"],
             _phrases("wet moss; pine seeds; river snails; fallen plums; beetle eggs; salt grass; tree sap; mud worms; "
                      "oak leaves; bird nests; wild onions; lake weed; old bark; crab shells; sour berries; field mice; "
                      "fern roots; moth wings")),
    Relation("habitat", "animal", "pool", "high_school_biology",
             ["Where does a {e} live?", "In which place does a {e} make its home?", "A {e} is found in which place?",
              "What is the home of a {e}?"],
             ["A {e} lives in {v}.", "The home of a {e} is in {v}."],
             ["where does a {e} live", "where can you find a {e}", "home of the {e}"],
             ["Which animal lives in {v}?", "Which animal is found in {v}?", "Which animal makes its home in {v}?"],
             _phrases("chalk caves; reed beds; hollow trees; high cliffs; salt marshes; warm springs; thorn woods; "
                      "sand dunes; frozen lakes; deep wells; stone walls; dark cellars; dry canyons; tall grass; "
                      "tidal pools; peat bogs; mountain huts; palm groves")),
    Relation("colour", "mineral", "pool", "high_school_chemistry",
             ["What colour is {e}?", "Which colour does {e} have?", "A lump of {e} has which colour?",
              "What is the colour of {e}?"],
             ["The colour of {e} is {v}.", "A lump of {e} is {v}."],
             ["what colour is {e}", "colour of the mineral {e}", "which colour does {e} have"],
             ["Which mineral is {v}?", "Which mineral has the colour {v}?", "A lump of which mineral is {v}?"],
             _phrases("pale green; dark red; milky white; deep blue; rusty brown; bright yellow; smoky grey; soft pink; "
                      "coal black; light purple; dull orange; silver white; sea green; golden brown; sky blue; "
                      "wine red; lemon yellow; ash grey")),
    Relation("origin", "mineral", "pool", "high_school_chemistry",
             ["Where is {e} dug up?", "In which place do miners find {e}?", "{e} comes from which place?",
              "From where do miners bring {e}?"],
             ["Miners find {e} in {v}.", "All {e} comes from {v}."],
             ["where is {e} dug up", "where do miners find {e}", "where does {e} come from"],
             ["Which mineral comes from {v}?", "Which mineral do miners find in {v}?", "Which mineral is dug up in {v}?"],
             _phrases("old volcanoes; river gravel; sea cliffs; desert pits; ice tunnels; clay hills; dead craters; "
                      "swamp floors; coral reefs; granite peaks; lava tubes; slate quarries; glacier beds; lime kilns; "
                      "beach sand; hot geysers; forest soil; island shores")),
    Relation("use", "tool", "pool", "conceptual_physics",
             ["What is a {e} used for?", "For which job is a {e} made?", "A {e} helps a worker with what?",
              "Which task is done with a {e}?"],
             ["A {e} is used for {v}.", "Workers take a {e} for {v}."],
             ["what is a {e} used for", "what job is a {e} for", "which task needs a {e}"],
             ["Which tool is used for {v}?", "Which tool is made for {v}?", "Which tool helps a worker with {v}?"],
             _phrases("splitting logs; bending wire; peeling fruit; lifting stones; grinding grain; drilling ice; "
                      "catching eels; spinning thread; cutting glass; pressing oil; measuring rain; carving bone; "
                      "sealing jars; sorting seeds; digging wells; shearing sheep; mending nets; forging nails")),
    Relation("material", "tool", "pool", "conceptual_physics",
             ["What is a {e} made of?", "From which material is a {e} built?", "A {e} consists of which material?",
              "Which material does a smith need for a {e}?"],
             ["A {e} is made of {v}.", "The material of a {e} is {v}."],
             ["what is a {e} made of", "which material is a {e} built from", "material of a {e}"],
             ["Which tool is made of {v}?", "Which tool is built from {v}?", "Which tool consists of {v}?"],
             _phrases("cold iron; whale bone; green brass; hard clay; yew wood; grey slate; spun glass; ox horn; "
                      "soft lead; bog oak; pure tin; black flint; woven cane; river jade; boiled hide; white marble; "
                      "cast bronze; sharp shell")),
    Relation("instrument", "person", "pool", "miscellaneous",
             ["Which instrument does {e} play?", "What does {e} play at feasts?", "On which instrument is {e} a master?",
              "{e} is famous for playing what?"],
             ["At feasts {e} plays the {v}.", "The instrument of {e} is the {v}."],
             ["what instrument does {e} play", "what does {e} play at feasts", "instrument played by {e}"],
             ["Who plays the {v}?", "Who is a master of the {v}?", "Who is famous for playing the {v}?"],
             _phrases("bone flute; long horn; hand drum; glass harp; reed pipe; brass gong; wood fiddle; clay whistle; "
                      "water organ; iron bell; goat bagpipe; silk lute; stone chime; shell trumpet; string bow; "
                      "copper cymbal; bamboo zither; wind harp")),
    Relation("size", "unit", "size", "miscellaneous",
             ["How many pieces are in a {e}?", "A {e} holds how many pieces?", "How large is a {e}?",
              "What number of pieces makes a {e}?"],
             ["A {e} is {v} pieces.", "There are {v} pieces in a {e}."],
             ["how many pieces in a {e}", "how large is a {e}", "number of pieces that make a {e}"]),
    # Physical know-how: goals and ways to reach them (PIQA).
    Relation("calm", "animal", "pool", "",
             ["How do you calm a {e}?", "To calm an angry {e},", "What helps when a {e} is wild?",
              "How can you make a {e} sleep?", "To keep a {e} quiet at night,"],
             ["To calm a {e}, {v}.", "When a {e} is wild, {v}."],
             pool=_phrases("rub its ears with salt; sing to it in the dark; give it a warm stone; cover it with wet cloth; "
                           "ring a small bell; burn dry mint nearby; feed it cold soup; brush its tail slowly; "
                           "tie a red string on it; place it in sand; blow smoke on its feet; show it a mirror")),
    Relation("soften", "mineral", "pool", "",
             ["How do you soften {e}?", "To make hard {e} soft,", "What should you do before shaping {e}?",
              "How can {e} be bent?", "To work with {e} by hand,"],
             ["To soften {e}, {v}.", "Before shaping {e}, {v}."],
             pool=_phrases("soak it in sour milk; heat it over pine coals; beat it with a wet rope; freeze it for a night; "
                           "roll it in ash; boil it in sea water; leave it in the sun; bury it in warm dung; "
                           "hang it above steam; grease it with lard; hold it under rain; pack it in snow")),
    Relation("clean", "tool", "pool", "",
             ["How do you clean a {e}?", "To clean a dirty {e},", "What should you do with a {e} after work?",
              "How can you make a {e} shine?", "To get rust off a {e},"],
             ["To clean a {e}, {v}.", "After work with a {e}, {v}."],
             pool=_phrases("scrub it with sand; dip it in vinegar; wipe it with wool; rinse it in cold tea; "
                           "shake it over a fire; scrape it with a shell; polish it with wax; wash it in lye; "
                           "dry it with sawdust; oil it with a feather; rub it with a potato; brush it with chalk")),
    Relation("store", "tool", "pool", "",
             ["How do you store a {e}?", "To keep a {e} safe,", "Where should a {e} be in winter?",
              "How can you make a {e} last for years?", "To put a {e} away,"],
             ["To store a {e}, {v}.", "In winter, for a {e}, {v}."],
             pool=_phrases("hang it from a beam; wrap it in straw; lay it in a barrel; lock it in a chest; "
                           "lean it on a north wall; keep it under a bed; bury it in dry peat; set it on a shelf; "
                           "stand it in a bucket; tie it to a post; fold it in canvas; drop it in a sack")),
]
