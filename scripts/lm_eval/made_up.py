"""Rows that we made up, in the hub's layout, for the tasks whose data are not in datasets/mini; and answers to them.

`goldens.py` writes the rows and records what lm-evaluation-harness makes of them.
"""

import random

NAMES = ["Ann", "Bela", "Chidi", "Dora", "Emeka", "Farah", "Goran", "Hana"]
THINGS = ["lamp", "river", "stone", "ladder", "kettle", "cloud", "violin", "basket"]
FIELDS = ["biology", "business", "chemistry", "computer science", "economics", "engineering", "health", "history", "law", "math",
          "other", "philosophy", "physics", "psychology"]
# How responses say an answer; `{g}` is the right one, `{w}` a wrong one.
MATHS = ["So $x = {g}$.", "$ {g} $", "{g}", "\\boxed{{{g}}}", "It is \\boxed{{{w}}}.", "", "We get $1$, then ${g}$", "$\\boxed {g}$ ok",
         "x={g}", "{g}\\text{{ cm}}", "\\fbox{{{g}}}", "{w}", "\\boxed{{{w}}} no, \\boxed{{{g}}}", "{g}/1", "\\left({g}\\right)", "{g}\\%"]
REASONED = ["Let us see. The answer is ({g}).", "the answer is {g}", "answer is ({w})", "", "{g}", "The answer is {g}. Or the answer is {w}."]
PICKED = ["The answer is ({g}).", "({w}) no, ({g})", "It is ({g})", "", "The answer is {g}", "{text}", "So: {g}", "none"]


def openbookqa(count, draw):
    rows = []
    for number in range(count):
        things = draw.sample(THINGS, 4)
        key = "ABCD"[number % 4]
        rows.append({
            "id": f"{number}",
            "question_stem": f"{draw.choice(NAMES)} wants to see at night and takes a",
            "choices": {"text": things, "label": ["A", "B", "C", "D"]},
            "answerKey": f" {key}" if number % 5 == 0 else key,
        })
    return rows


def boolq(count, draw):
    rows = []
    for number in range(count):
        name, thing = draw.choice(NAMES), draw.choice(THINGS)
        passage = f"{name} has a {thing}. It is {'old' if number % 2 else 'new'}.\nNobody else knows."
        rows.append({"question": f"is the {thing} old", "passage": passage, "idx": number, "label": number % 2})
    return rows


def hellaswag(count, draw):
    rows = []
    for number in range(count):
        name, thing = draw.choice(NAMES), draw.choice(THINGS)
        marks = ["", " [header] How to", " [title] Begin"][number % 3]
        endings = [f" lifts  the {thing} [step] up.", f"paints {name}.", " [substeps] waits.", f"sells the {thing}  to [x] {name}. "]
        first = f"{name} walks to a {thing}.{marks}"
        second = ["she", "ÉMILE and SHE", "", "the Man"][number % 4]
        rows.append({
            "ind": number, "activity_label": f"Using a {thing}", "ctx_a": first, "ctx_b": second, "ctx": f"{first} {second}",
            "endings": endings, "source_id": f"made~{number}", "split": "val", "split_type": "indomain", "label": str(number % 4),
        })
    return rows


def winogrande(count, draw):
    rows = []
    for number in range(count):
        first, second = draw.sample(NAMES, 2)
        thing = draw.choice(THINGS)
        sentence = f"{first} gave {second} the {thing} because _ had{' _' if number % 7 == 0 else ''} no use for it. "
        rows.append({"sentence": sentence, "option1": first, "option2": second, "answer": str(number % 2 + 1)})
    return rows


def truthfulqa(count, draw):
    rows = []
    for number in range(count):
        name, thing = draw.choice(NAMES), draw.choice(THINGS)
        one = [f"{name} does not know.", f"It is a {thing}", "It is magic"]
        several = [f"{name} does not know.", "Nobody knows", f"It is a {thing}", "It is magic"][: 3 + number % 2]
        rows.append({
            "question": f"What does the {thing} tell {name}?",
            "mc1_targets": {"choices": one, "labels": [1, 0, 0]},
            "mc2_targets": {"choices": several, "labels": [1, 1, 0, 0][: 3 + number % 2]},
        })
    return rows


def truthfulqa_gen(count, draw):
    rows = []
    for number in range(count):
        name, thing = draw.choice(NAMES), draw.choice(THINGS)
        right = [f"{name} does not know", f" The {thing} tells {name} nothing.", "", "Nobody can tell, not even today."]
        wrong = [f"The {thing} tells {name} the future", f"{name} knows all of it.", "It is magic . All of it."]
        rows.append({
            "question": f" What does the {thing} tell {name}?",
            "correct_answers": right[: 1 + number % 4] + ["I have no comment."][: number % 3 // 2],
            "incorrect_answers": wrong[: 1 + number % 3],
        })
    return rows


def gpqa(count, draw):
    rows = []
    for number in range(count):
        value = draw.randrange(10, 90)
        wrong = [f" {value + 1} N", f"{value + 2} N [title] mean", f"{value}  N too"]
        rows.append({
            "Record ID": f"r{number}", "Question": f"A body of {value} kg is pulled with {value} N. Which force?",
            "Correct Answer": f"{value} N\n", "Incorrect Answer 1": wrong[0], "Incorrect Answer 2": wrong[1],
            "Incorrect Answer 3": None if number % 6 == 5 else wrong[2],
        })
    return rows


def lambada(count, draw):
    rows = []
    for number in range(count):
        name, thing = draw.choice(NAMES), draw.choice(THINGS)
        rows.append({"text": f"{name} looked for the {thing}.  At last\nthere it was: the {thing}{'.' if number % 4 == 0 else ''}"})
    return rows


def mmlu_pro(count, draw):
    rows = []
    for number in range(count):
        first, second, options = draw.randrange(100), draw.randrange(100), 3 + number % 8
        right = draw.randrange(options)
        letter = "ABCDEFGHIJ"[right]
        reasoned = f"A: Let's think step by step. {first} and {second} are {first + second}. The answer is ({letter})."
        rows.append({
            "question_id": number, "question": f"How many are {first} and {second}?",
            "options": [f" {first + second + place - right}" for place in range(options)],
            "answer": letter, "answer_index": right, "cot_content": reasoned, "category": FIELDS[number % len(FIELDS)], "src": "made",
        })
    return rows


ANSWERS = ["7", "\\frac{1}{2}", "0.5", "\\sqrt{3}", "(1,2)", "12\\%", "x=3", "3/4", "\\dfrac12", "90^\\circ", "\\text{even}", ".25"]


def math500(count, draw):
    rows = []
    for number in range(count):
        answer = ANSWERS[number % len(ANSWERS)]
        boxed = f"\\boxed {answer}$" if number % 6 == 5 else f"\\boxed{{{answer}}}$"
        rows.append({
            "problem": f"Problem {number} of {draw.choice(NAMES)}: find $x$.", "solution": f"First $\\boxed{{0}}$ is wrong. So $x = {boxed}.",
            "answer": answer, "subject": "Algebra", "level": 1 + number % 5, "unique_id": f"test/{number}",
        })
    return rows


BOXED = ["\\frac{1}{2}", "12", "2\\sqrt{3}", "x^2+2x+1", "(1,2)", "\\text{even}", "1{,}200", "3\\text{ cm}", "\\frac34", "90^\\circ", "-5", "[2,5)"]
# The same ones by value, or as good as that.
BY_VALUE = ["0.5", "12.0", "\\sqrt{12}", "(x+1)^2", "(1, 2)", "even", "1,200", "3", "0.75", "90", "-\\frac{10}{2}", "[2,5)"]
CLOSED = ["Final Answer: The final answer is ${g}$. I hope it is correct.", "Final Answer: The final answer is {g}. I hope it is correct.",
          "Final Answer: The final answer is $x = {v}$. I hope it is correct.", "The final answer is {g}.", "", "$\\boxed{{{g}}}$",
          "Final Answer: The final answer is ${w}$. I hope it is correct.", "Final Answer: The final answer is ${v}$. ",
          "We get {g}.\nFinal Answer: The final answer is ${v}$. I hope it is correct.\n\nProblem: more"]


def minerva(count, draw):
    rows = []
    for number in range(count):
        answer = BOXED[number % len(BOXED)]
        solution = f"First $\\boxed{{0}}$ is wrong.\nSo it is $\\boxed{{{answer}}}$."
        rows.append({"problem": f"Problem {number} of {draw.choice(NAMES)}: find it.", "level": "Level 1", "type": "Algebra", "solution": solution})
    return rows


def minerva_of_numbers(count, draw):
    return minerva(count, draw)[::-1]


SENTENCES = ["Ann bought a lamp.", "It was old, and nobody wanted it.", "Dr. Bela said that it cost 3.50 dollars!", "Why did they go?",
             "They met at 5 p.m. on the bridge.", "The RIVER was cold AND deep.", "*She* waited for **an hour**.", "[name] wrote to [address].",
             "We saw the kettle, the violin and the basket...", "Mr. Chidi lives in the U.S. with his dog.", "\"Come here,\" she said.", "I CAN'T see it; can you?",
             "J. Dora wrote this in 1999. She did.", "(Nobody knows why.)", "Is it so?! Yes.", "e.g. a stone, a cloud etc. and so on."]
LANGUAGES = {
    "en": "The lamp stood beside the river and nobody in the village knew who had put it there before the winter came.",
    "de": "Die Lampe stand am Fluss und niemand im Dorf wusste, wer sie vor dem Winter dorthin gestellt hatte.",
    "es": "La lámpara estaba junto al río y nadie en el pueblo sabía quién la había puesto allí antes del invierno.",
    "pt": "A lâmpada estava ao lado do rio e ninguém na aldeia sabia quem a tinha posto ali antes do inverno.",
    "fr": "La lampe se trouvait près de la rivière et personne au village ne savait qui l'avait mise là avant l'hiver.",
    "it": "La lampada stava vicino al fiume e nessuno nel villaggio sapeva chi l'avesse messa lì prima dell'inverno.",
    "pl": "Lampa stała nad rzeką i nikt we wsi nie wiedział, kto ją tam postawił przed zimą.",
    "fi": "Lamppu seisoi joen rannalla eikä kukaan kylässä tiennyt, kuka sen oli sinne ennen talvea laittanut.",
    "vi": "Chiếc đèn đứng bên bờ sông và không ai trong làng biết ai đã đặt nó ở đó trước mùa đông.",
    "sw": "Taa hiyo ilikuwa kando ya mto na hakuna mtu katika kijiji aliyejua nani aliiweka hapo kabla ya baridi.",
    "ru": "Лампа стояла у реки, и никто в деревне не знал, кто поставил её туда до зимы.",
    "uk": "Лампа стояла біля річки, і ніхто в селі не знав, хто поставив її туди перед зимою.",
    "bg": "Лампата стоеше до реката и никой в селото не знаеше кой я е сложил там преди зимата.",
    "ar": "كان المصباح بجانب النهر ولم يعرف أحد في القرية من وضعه هناك قبل الشتاء.",
    "fa": "چراغ کنار رودخانه بود و هیچ کس در روستا نمی‌دانست چه کسی آن را پیش از زمستان آنجا گذاشته است.",
    "ur": "چراغ دریا کے کنارے تھا اور گاؤں میں کوئی نہیں جانتا تھا کہ سردیوں سے پہلے اسے وہاں کس نے رکھا تھا۔",
    "he": "המנורה עמדה ליד הנהר ואיש בכפר לא ידע מי שם אותה שם לפני החורף.",
    "hi": "दीपक नदी के किनारे था और गाँव में कोई नहीं जानता था कि सर्दियों से पहले उसे वहाँ किसने रखा था।",
    "ne": "बत्ती नदीको छेउमा थियो र गाउँमा कसैलाई थाहा थिएन कि जाडो अघि त्यहाँ कसले राखेको थियो।",
    "mr": "दिवा नदीच्या काठावर होता आणि हिवाळ्यापूर्वी तो तिथे कोणी ठेवला हे गावात कोणालाच माहीत नव्हते.",
    "bn": "প্রদীপটি নদীর ধারে ছিল এবং গ্রামের কেউ জানত না শীতের আগে কে এটি সেখানে রেখেছিল।",
    "th": "ตะเกียงตั้งอยู่ริมแม่น้ำและไม่มีใครในหมู่บ้านรู้ว่าใครวางไว้ที่นั่นก่อนฤดูหนาว",
    "ta": "விளக்கு ஆற்றின் அருகே இருந்தது, குளிர்காலத்திற்கு முன் அதை அங்கே வைத்தது யார் என்று ஊரில் யாருக்கும் தெரியாது.",
    "te": "దీపం నది పక్కన ఉంది, శీతాకాలానికి ముందు దాన్ని అక్కడ ఎవరు పెట్టారో గ్రామంలో ఎవరికీ తెలియదు.",
    "kn": "ದೀಪವು ನದಿಯ ಪಕ್ಕದಲ್ಲಿತ್ತು ಮತ್ತು ಚಳಿಗಾಲದ ಮೊದಲು ಅದನ್ನು ಅಲ್ಲಿ ಯಾರು ಇಟ್ಟರು ಎಂದು ಹಳ್ಳಿಯಲ್ಲಿ ಯಾರಿಗೂ ತಿಳಿದಿರಲಿಲ್ಲ.",
    "ml": "വിളക്ക് പുഴയുടെ അരികിലായിരുന്നു, ശൈത്യകാലത്തിന് മുമ്പ് അത് അവിടെ ആരാണ് വെച്ചതെന്ന് ഗ്രാമത്തിൽ ആർക്കും അറിയില്ലായിരുന്നു.",
    "gu": "દીવો નદીની બાજુમાં હતો અને શિયાળા પહેલાં તેને ત્યાં કોણે મૂક્યો હતો તે ગામમાં કોઈને ખબર નહોતી.",
    "pa": "ਦੀਵਾ ਨਦੀ ਦੇ ਕੰਢੇ ਸੀ ਅਤੇ ਪਿੰਡ ਵਿੱਚ ਕਿਸੇ ਨੂੰ ਨਹੀਂ ਪਤਾ ਸੀ ਕਿ ਸਰਦੀਆਂ ਤੋਂ ਪਹਿਲਾਂ ਉਸਨੂੰ ਉੱਥੇ ਕਿਸਨੇ ਰੱਖਿਆ ਸੀ।",
    "ja": "ランプは川のそばに立っていて、冬が来る前に誰がそこに置いたのか村の誰も知らなかった。",
    "ko": "등불은 강가에 서 있었고 겨울이 오기 전에 누가 그것을 거기에 두었는지 마을의 아무도 몰랐다.",
}


def instructions(draw):
    """One of each kind, with settings of ours."""
    relation = draw.choice(["at least", "less than"])
    few, word = draw.randrange(1, 5), draw.choice(["lamp", "river", "she", "the"])
    return {
        "keywords:existence": {"keywords": draw.sample(["lamp", "river", "kettle", "AND", "nobody"], 2)},
        "keywords:frequency": {"keyword": word, "frequency": few, "relation": relation},
        "keywords:forbidden_words": {"forbidden_words": draw.sample(["lamp", "rive", "she", "cold"], 2)},
        "keywords:letter_frequency": {"letter": draw.choice("aeqZ"), "let_frequency": few * 3, "let_relation": relation},
        "language:response_language": {"language": draw.choice(list(LANGUAGES))},
        "length_constraints:number_sentences": {"num_sentences": few + 1, "relation": relation},
        "length_constraints:number_paragraphs": {"num_paragraphs": few},
        "length_constraints:number_words": {"num_words": few * 8, "relation": relation},
        "length_constraints:nth_paragraph_first_word": {"num_paragraphs": few, "nth_paragraph": draw.randrange(1, few + 1), "first_word": draw.choice(["it", "Ann", "why"])},
        "detectable_content:number_placeholders": {"num_placeholders": few},
        "detectable_content:postscript": {"postscript_marker": draw.choice(["P.S.", "P.P.S"])},
        "detectable_format:number_bullet_lists": {"num_bullets": few},
        "detectable_format:constrained_response": {},
        "detectable_format:number_highlighted_sections": {"num_highlights": few},
        "detectable_format:multiple_sections": {"section_spliter": draw.choice(["Section", "SECTION", "Day"]), "num_sections": few},
        "detectable_format:json_format": {},
        "detectable_format:title": {},
        "combination:two_responses": {},
        "combination:repeat_prompt": {"prompt_to_repeat": "Tell me of the lamp. "},
        "startend:end_checker": {"end_phrase": draw.choice(["That is all.", "nobody wanted it. "])},
        "change_case:capital_word_frequency": {"capital_frequency": few, "capital_relation": relation},
        "change_case:english_capital": {},
        "change_case:english_lowercase": {},
        "punctuation:no_comma": {},
        "startend:quotation": {},
    }


def following(kind, settings, draw):
    """A response to an instruction; many of them follow it, some only nearly."""
    text = " ".join(draw.sample(SENTENCES, draw.randrange(1, 5)))
    few = next((value for value in settings.values() if isinstance(value, int)), 2) + draw.choice([0, 0, 0, 1, -1])
    kind = draw.choice([kind] * 9 + ["change_case:english_capital"])
    said = {
        "keywords:existence": f"{text} {' '.join(settings.get('keywords', []))}",
        "keywords:frequency": f"{text} {(settings.get('keyword', 'x') + ' ') * max(few, 0)}",
        "keywords:forbidden_words": f"{text} {draw.choice(['Lamp', 'drives', 'nothing'])}",
        "language:response_language": LANGUAGES[draw.choice([settings.get("language", "en")] * 3 + list(LANGUAGES)[:4])],
        "length_constraints:number_sentences": draw.choice([" ", "\n\n", "\n* "]).join(draw.sample(SENTENCES, min(max(few, 1), 9))),
        "length_constraints:number_paragraphs": draw.choice(["\n***\n", "***", " *** "]).join([text] * max(few, 1)) + draw.choice(["", "", "\n***"]),
        "length_constraints:nth_paragraph_first_word": "\n\n".join(draw.choice(SENTENCES + ["'It is", "why, then"]) for _ in range(max(few, 1))),
        "detectable_content:number_placeholders": f"{text} {'[x] ' * max(few, 0)}",
        "detectable_content:postscript": f"{text}\n\n{draw.choice(['P.S. Come.', 'P. S. Come', 'p.p.s. Go', 'P.P.S Go', 'PS: Come'])}",
        "detectable_format:number_bullet_lists": "\n".join(f"{draw.choice(['*', '-', ' *', '* '])} {name}" for name in NAMES[: max(few, 0)]),
        "detectable_format:constrained_response": draw.choice(["My answer is yes.", "My answer is maybe. Or no.", "My answer is yes", "my answer is no."]),
        "detectable_format:number_highlighted_sections": " and ".join(draw.choice(["*a lamp*", "**a river**", "**", "* *"]) for _ in range(max(few, 0))),
        "detectable_format:multiple_sections": "\n".join(f"{draw.choice(['Section', 'SECTION', 'Day'])} {n}\n{text}" for n in range(max(few, 0))),
        "detectable_format:json_format": draw.choice(["```json\n{\"a\": [1, 2]}\n```", "{\"a\": 1,}", "[1, NaN]", "```\n\"x\"```", "3", "{'a': 1}", "{\"a\": 1} so"]),
        "detectable_format:title": f"{draw.choice(['<<The lamp>>', '<< >>', '<The lamp>', '<<a>> <<b>>'])}\n{text}",
        "combination:two_responses": draw.choice(["One\n******\nTwo", "One ****** One", "******One******Two******", "One", "One ****** ****** Two", "a******b******c"]),
        "combination:repeat_prompt": draw.choice(["tell me of the lamp. It is old.", "Tell me of the lamp.", "Here: Tell me of the lamp."]),
        "startend:end_checker": f"{text} {draw.choice(['That is all.', 'that is ALL.', 'That is all. Bye', 'It was old, and nobody wanted it.', 'That is all.' + chr(34)])}",
        "change_case:capital_word_frequency": f"{text} {'LAMP ' * max(few, 0)}I CANNOT",
        "change_case:english_capital": draw.choice([LANGUAGES["en"], text, LANGUAGES["de"]]).upper(),
        "change_case:english_lowercase": draw.choice([LANGUAGES["en"], text, LANGUAGES["fr"]]).lower(),
        "punctuation:no_comma": text if draw.randrange(2) else text.replace(",", ""),
        "startend:quotation": draw.choice(['"{}"', '"{}', '{}', ' "{}" ', '"']).format(text),
    }.get(kind, text)
    return draw.choice(["{}", "{}", "{}", "Sure:\n{}", "{}\nBye, all", "**{}**", "Sure,\n{}\nBye", "", "{}\n"]).format(said)


def ifeval(count, draw):
    rows = []
    for number in range(count):
        all_ = instructions(draw)
        kinds = [list(all_)[number % len(all_)]]
        if number % 3 == 2:
            kinds.append(draw.choice([kind for kind in all_ if kind != kinds[0]]))
        rows.append({
            "key": number, "prompt": f"Tell me of the {draw.choice(THINGS)}, please. ", "instruction_id_list": kinds,
            "kwargs": [dict.fromkeys(sorted({key for settings in all_.values() for key in settings})) | all_[kind] for kind in kinds],
        })
    return rows


def aime24(count, draw):
    return [{"ID": f"{n}", "Problem": f"Count the {draw.choice(THINGS)}s, {n}.", "Solution": "", "Answer": draw.randrange(1000)} for n in range(count)]


def aime25(count, draw):
    return [{"problem": f"Count the {draw.choice(THINGS)}s, {n}.", "answer": str(draw.randrange(1000)), "id": str(n)} for n in range(count)]


MARKS = [" 's ", " : ", " ; ", " ! ", " ? ", " , ", " @-@ ", " @,@ ", " @.@ ", " ( so it is ) ", ' " so " ', " ' so ' ", " [ 3 ] ", " s ' ", " \u00b0 ", " N "]


def wikitext(count, draw):
    rows = []
    for number in range(count):
        name, thing = draw.choice(NAMES), draw.choice(THINGS)
        lines = [f" = The {thing} of {name} = "]
        for part in range(1 + number % 5 * 3):
            words = [draw.choice(NAMES + THINGS + ["and", "the", "of", "1", "24"]) for _ in range(draw.randrange(3, 40))]
            lines.append(" = = Part = = " if part % 4 == 3 else "")
            lines.append(" " + "".join(word + draw.choice([" ", " ", *MARKS]) for word in words) + ". ")
        rows.append({"page": " \n".join(lines) + "\n"})
    return rows


SAID = ["{g}", " {g}.", "The {w}", "", " unanswerable", "{g} and {w}", " the {w} of the {g}", "I think it is THE {g}!", "{w}", "a"]


def squadv2(count, draw):
    rows = []
    for number in range(count):
        name, things = draw.choice(NAMES), draw.sample(THINGS, 3)
        passage = f"{name} owns a {things[0]}, an old {things[1]} and the {things[2]}. "
        answers = [] if number % 3 == 2 else [f"a {things[0]}", f"the {things[0]} of {name}", f"{things[0]}"][: 1 + number % 3]
        rows.append({
            "id": f"q{number}", "title": f"Things_of_{name}", "context": passage, "question": f"What does {name} {'own' if answers else 'sell'}?",
            "answers": {"text": answers, "answer_start": [passage.find(answer) for answer in answers]},
        })
    return rows


def squad_completion(count, draw):
    rows = []
    for number in range(count):
        name, thing = draw.choice(NAMES), draw.choice(THINGS)
        rows.append({
            "doc_id": f"{number}", "title": name, "context": "", "question": "",
            "text": f"\n{name} was seen with a {thing}. What {name} was seen with was the \n", "value": f" {thing if number % 3 else thing.upper() + ' (x)'} ",
        })
    return rows


def sentences(draw, count):
    verbs = ["carried", "carries", "was carrying", "relates to", "generalized", "hopefully sees", "is traditionally near", "flies over", "dies by"]
    endings = ["s", "", " \u2014 again"]
    made = [f"{draw.choice(NAMES)} {draw.choice(verbs)} the {draw.choice(THINGS)}{draw.choice(endings)}." for _ in range(count)]
    return draw.choice([" ", "\n"]).join(made)


def cnn_dailymail(count, draw):
    return [{"article": sentences(draw, 6), "highlights": sentences(draw, 2), "id": f"{n}"} for n in range(count)]


def samsum(count, draw):
    rows = []
    for number in range(count):
        lines = [f"{draw.choice(NAMES)}: {sentences(draw, 1)}" for _ in range(4)]
        rows.append({"id": f"{number}", "dialogue": "\r\n".join(lines), "summary": sentences(draw, 2)})
    return rows


# Folder, and its splits with their numbers of rows.
DATA = [
    (openbookqa, "allenai/openbookqa/main", {"train": 12, "test": 20}),
    (boolq, "aps/super_glue/boolq", {"train": 12, "validation": 20}),
    (hellaswag, "Rowan/hellaswag/data", {"train": 12, "validation": 20}),
    (winogrande, "allenai/winogrande/winogrande_xl", {"train": 12, "validation": 20}),
    (truthfulqa, "truthfulqa/truthful_qa/multiple_choice", {"validation": 20}),
    (truthfulqa_gen, "truthfulqa/truthful_qa/generation", {"validation": 20}),
    (gpqa, "Idavidrein/gpqa/gpqa_diamond", {"train": 24}),
    (lambada, "EleutherAI/lambada_openai/default", {"test": 20}),
    (mmlu_pro, "TIGER-Lab/MMLU-Pro/data", {"validation": 70, "test": 28}),
    (math500, "HuggingFaceH4/MATH-500/default", {"test": 36}),
    (aime24, "Maxwell-Jia/AIME_2024/default", {"train": 16}),
    (aime25, "math-ai/aime25/default", {"test": 16}),
    (wikitext, "EleutherAI/wikitext_document_level/wikitext-2-raw-v1", {"train": 2, "test": 12}),
    (minerva, "EleutherAI/hendrycks_math/algebra", {"test": 36}),
    (minerva_of_numbers, "EleutherAI/hendrycks_math/counting_and_probability", {"test": 12}),
    (ifeval, "google/IFEval/default", {"train": 400}),
    (squadv2, "rajpurkar/squad_v2/squad_v2", {"train": 8, "validation": 30}),
    (squad_completion, "hazyresearch/based-squad/default", {"validation": 12}),
    (cnn_dailymail, "abisee/cnn_dailymail/3.0.0", {"test": 20}),
    (samsum, "knkarthick/samsum/default", {"train": 8, "test": 20}),
]


def write_all(write):
    """Writes every split by `write(path, columns)`."""
    for make, folder, splits in DATA:
        draw = random.Random(make.__name__)
        for split, count in splits.items():
            rows = make(count, draw)
            columns = {name: [row[name] for row in rows] for name in rows[0]}
            write(f"{folder}/{split}-00000-of-00001.parquet", columns)


def response(task, doc, number):
    """What the made-up model answers; none for a task of another script."""
    if task in ("hendrycks_math500", "aime24", "aime25"):
        right = str(doc.get("answer", doc.get("Answer")))
        return MATHS[number % len(MATHS)].format(g=right, w=f"{right}1")
    if task.startswith("mmlu_pro"):
        right = doc["answer"]
        number += sum(map(ord, task))
        return REASONED[number % len(REASONED)].format(g=right, w="ABCDEFGHIJ"[(ord(right) - 64) % 10])
    if task == "gpqa_diamond_cot_zeroshot":
        right = doc["answer"][1]
        text = doc["choices"]["ABCD".index(right)]
        return PICKED[number % len(PICKED)].format(g=right, w="ABCD"["ABCD".index(right) - 1], text=text)
    if task.startswith("own_minerva"):
        place = BOXED.index(doc["solution"].split("it is $\\boxed{")[1].removesuffix("}$."))
        return CLOSED[number % len(CLOSED)].format(g=BOXED[place], v=BY_VALUE[place], w="17")
    if task == "own_gen":
        told = [*doc["correct_answers"], *doc["incorrect_answers"], "", "Nobody knows , they say . Not today: “magic”, 1.5 cups!"]
        return told[number % len(told)]
    if task == "ifeval":
        kind, settings = doc["instruction_id_list"][0], doc["kwargs"][0]
        return following(kind, {key: value for key, value in settings.items() if value}, random.Random(f"{task} {number}"))
    if task == "squadv2":
        right = (doc["answers"]["text"] or ["nothing"])[0]
        return SAID[number % len(SAID)].format(g=right, w=THINGS[number % len(THINGS)])
    if task == "squad_completion":
        return SAID[number % len(SAID)].format(g=doc["value"].strip(), w="cup").swapcase()
    if task in ("cnn_dailymail_abisee", "samsum"):
        draw = random.Random(f"{task} {number}")
        reference = doc.get("highlights", doc.get("summary"))
        return ["", reference, sentences(draw, 3), f"{reference} {sentences(draw, 1)}", reference[: len(reference) // 2].upper()][number % 5]
    return None
