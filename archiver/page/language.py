"""The language of a text, to check what a page declares: templates say ``lang="en"`` over German articles.

A script that only one language of the news uses decides by itself; among languages that share one, their commonest
small words do. Nothing is said of short or mixed texts.
"""

from __future__ import annotations

import re
from collections import Counter

# fmt: off
_SMALL_WORDS = {
    "af": "die het en van is nie wat vir om dat hy sy met aan deur ook maar was toe ons",
    "ca": "el la els les i de que amb per no és ha una del als dels més aquest però també",
    "cs": "a se na je že v ve jsou byl bylo bude pro jako ale podle který která které jen ještě také řekl od roku",
    "da": "og i at det er en til på der af for ikke med som har den de et var også",
    "de": "der die und in den von zu das mit sich des auf für ist im nicht ein eine auch als",
    "en": "the of and to in a is that for it was with on as he by at from be are",
    "es": "el la de que y en los del se las por un para con una no su al es más",
    "et": "ja on et ei ka see oli kui aga mis ta oma või kes mida nii selle olla pole veel",
    "eu": "eta da ez du bat ere dira zen baina izan dute egin den hau dela dituzte behar baino zuen ditu",
    "fi": "ja on ei että oli se hän myös kun mutta ovat joka sen mukaan jo vain kuin ole hänen sekä",
    "fr": "de la le et les des en un du une que est pour qui dans par sur au pas avec",
    "hr": "i je u se na da su za od a koji će kako što sam bi iz nije samo također",
    "hu": "a az és hogy nem is egy volt meg de csak már ez mint azt kell vagy szerint lesz még",
    "id": "yang dan di dengan untuk dari ini itu dalam pada tidak akan juga ke adalah oleh ada sudah saat tersebut",
    "it": "di e il la che in un a per è una del non sono i con si da le della",
    "lt": "ir kad yra su tai į iš bet kaip jis apie buvo nuo per ar jo dar taip labai pat",
    "lv": "un ir ka no ar par tas uz bija kas arī bet vai tika lai kā jau pēc gada līdz",
    "nl": "de het een van en in is dat op te zijn voor met niet aan er om ook die bij",
    "no": "og i det er på en til som for at har av med ikke den de fra vi var men",
    "pl": "w i na z się nie do to że jest o jak za po co od przez ale dla już",
    "pt": "de a o que e do da em um para é com não uma os no se na por mais",
    "ro": "de și în a la cu pe că nu este din mai o un au care pentru fost va fi",
    "sk": "a sa na je že v vo sú bol bolo bude pre ako ale podľa ktorý ktorá ktoré len ešte aj povedal od roku",
    "sl": "in je da v so na se za pa ki ne tudi bi bo z kot ni po s še",
    "sq": "dhe në të e i që për me një nga është se nuk si do ka ishte por kjo janë",
    "sv": "och i att det som en på är av för med den till inte har de ett om var från",
    "sw": "na ya wa kwa ni katika za la kuwa huo hii hiyo yake alisema cha wake kama pia hivyo watu",
    "tl": "ang ng sa na mga ay at si ni kay para hindi ito kung may siya rin naman ako noong",
    "tr": "ve bir bu da de için ile olarak çok daha olan sonra gibi kadar en ne var ancak dedi olduğunu",
    "vi": "và của là có trong được cho không một với các này đã người khi những để đến năm từ",
    "ru": "и в не на что с по как это из он за к его но от так для был также",
    "uk": "і в на що не з до та це як за у від але про він також який був для",
    "bg": "на и да в за се от не е с че по са като ще при беше но има това",
    "sr": "је и у да се на за су од ће који не а са то што као из би није",
    "mk": "на и во да се од за со не е што ќе по како тоа но ги беше има дека",
    "be": "і ў на не што з як да гэта у па для але за яго быў ён ад каб таксама",
    "ar": "في من على إلى أن التي عن الذي هذا مع ما كان هذه لا بعد بين قال ذلك كما قد",
    "fa": "و در به از که این را با است برای آن های می یک شد بود تا کرد اما هم",
    "ur": "کے کی میں اور ہے کا سے کو نے پر کہ یہ کر اس ہیں بھی گیا ایک تھا ان",
    "he": "את של על לא הוא כי עם זה גם היא אל יש כל אני אבל הם מה או היה אם",
    "yi": "און די אין דער צו איז פון מיט דאס האט נישט אויף זיך אז ער",
    "hi": "के में है की और से का को पर ने कि यह भी हैं एक कर नहीं था लिए हो",
    "mr": "आहे आणि या ते होते नाही हे आहेत केली असे तर मात्र झाला करण्यात त्यांनी",
    "ne": "छ र को मा छन् गरेको भएको पनि हुने थियो गर्ने भन्ने लागि यो",
}
# fmt: on
_LANGUAGES: dict[str, list[str]] = {}
for _language, _words in _SMALL_WORDS.items():
    for _word in set(_words.split()):
        _LANGUAGES.setdefault(_word, []).append(_language)
_SCRIPTS = (
    ("ja", re.compile(r"[\u3040-\u30ff]")),
    ("ko", re.compile(r"[\uac00-\ud7af]")),
    ("zh", re.compile(r"[\u4e00-\u9fff]")),
    ("el", re.compile(r"[\u0370-\u03ff]")),
    ("th", re.compile(r"[\u0e00-\u0e7f]")),
    ("ka", re.compile(r"[\u10a0-\u10ff]")),
    ("hy", re.compile(r"[\u0530-\u058f]")),
    ("bn", re.compile(r"[\u0980-\u09ff]")),
    ("pa", re.compile(r"[\u0a00-\u0a7f]")),
    ("gu", re.compile(r"[\u0a80-\u0aff]")),
    ("ta", re.compile(r"[\u0b80-\u0bff]")),
    ("te", re.compile(r"[\u0c00-\u0c7f]")),
    ("kn", re.compile(r"[\u0c80-\u0cff]")),
    ("ml", re.compile(r"[\u0d00-\u0d7f]")),
    ("si", re.compile(r"[\u0d80-\u0dff]")),
    ("lo", re.compile(r"[\u0e80-\u0eff]")),
    ("my", re.compile(r"[\u1000-\u109f]")),
    ("am", re.compile(r"[\u1200-\u137f]")),
    ("km", re.compile(r"[\u1780-\u17ff]")),
)
"""Scripts of one language of the news each, with a sign of them; kana before ideographs, which Japanese has, too."""
_FOREIGN = re.compile(r"[\u0370-\u03ff\u0530-\u058f\u0980-\ud7af]")
_SAME = ({"no", "nb", "nn", "da"}, {"hr", "bs", "sr", "sh"}, {"id", "ms"}, {"tl", "fil"}, {"zh", "yue", "wuu"})
"""Languages that small words tell apart badly; one is never corrected into another."""
_SAMPLE = 3000
"""Characters of a text looked at."""
_FEWEST_WORDS = 40
_SHARE = 0.13
"""Of the words that must be small words of a language; English news have 0.18 to 0.3, other languages' at most 0.1."""
_LEAD = 1.5
"""How many times more of them than of the declared language's must be found."""


def checked_language(declared: str | None, text: str | None) -> tuple[str | None, str | None]:
    """Return the language of a page, and a note when its text is clearly written in another than the declared one.

    Where none is declared, the language of the text is taken.
    A declaration of a language that is not known here stands, unless the text is in another script.

    >>> checked_language("en", "Der Rat hat am Dienstag beschlossen, die Brücke über den Fluss zu sanieren. " * 4)
    ('de', 'the text is de, the page declares en')
    """
    scores = _scores((text or "")[:_SAMPLE])
    found = _clear(scores)
    if found is None or found == declared or any({found, declared} <= same for same in _SAME):
        return declared, None
    if declared is None:
        return found, None
    is_known = declared in _SMALL_WORDS or declared in {language for language, _ in _SCRIPTS}
    if scores[found] < (1 if not is_known else _LEAD * scores[declared]):
        return declared, None
    return found, f"the text is {found}, the page declares {declared}"


def _clear(scores: Counter[str]) -> str | None:
    if not scores:
        return None
    (best, share), *rest = scores.most_common(2)
    return best if share >= _SHARE and all(share >= 1.15 * other for _, other in rest) else None


def _scores(text: str) -> Counter[str]:
    """Return each language's share of the words; a script of one language has a share of one."""
    if len(_FOREIGN.findall(text)) >= 30:
        letters = sum(map(str.isalpha, text))
        for language, sign in _SCRIPTS:
            if len(sign.findall(text)) > (0.1 if language == "ja" else 0.5) * letters:
                return Counter({language: 1.0})
    words = re.findall(r"[\w\u0900-\u0963]+", text.casefold())  # with Devanagari's vowel signs, which are no letters
    found: Counter[str] = Counter()
    if len(words) >= _FEWEST_WORDS:
        for word, count in Counter(words).items():
            for language in _LANGUAGES.get(word, ()):
                found[language] += count
    return Counter({language: count / len(words) for language, count in found.items()})
