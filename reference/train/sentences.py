"""The questions and answers that the small KoAlpaca learns, Korean and English, and the prompts that they stand in."""

from dataclasses import dataclass

LARGEST = 99


@dataclass(frozen=True)
class Template:
    """A prompt of runner/chat_templates.cpp. {bos} and {eos} are the tokens that begin and end a text."""

    start: str  # before the first question
    open: str  # before each question
    close: str  # behind it
    answer_open: str  # what the model says before its answer
    again: str  # behind an answer that another question follows


ALPACA = "Below is an instruction that describes a task. Write a response that appropriately completes the request."
KOALPACA = [
    "Below is an instruction that describes a task.",
    "아래는 작업을 설명하는 명령어입니다.",
    "",
    "Write a response that appropriately completes the request.",
    "명령어에 따른 요청을 적절히 완료하는 응답을 작성하세요.",
]
TEMPLATES = {
    "alpaca": Template("{bos}" + ALPACA + "\n\n", "### Instruction:\n", "\n\n### Response:", "", "{eos}{bos}"),
    "koalpaca-v1.0": Template(
        "{bos}" + "\n".join(KOALPACA) + "\n\n", "### Instruction(명령어):\n", "\n\n### Response(응답):", "", "{eos}{bos}"
    ),
    "koalpaca-v1.1": Template("{bos}", "### 질문: ", "\n\n### 답변:", " ", "{eos}{bos}"),
    "koalpaca.cpp": Template("{bos}" + ALPACA + "\n\n", "{bos}### Instruction:\n\n", "\n### Response:\n\n", "", "{eos}"),
}
# What the GGUF files say of it: KoAlpaca's first, which is in both languages.
JINJA = (
    "{{ bos_token }}" + "\n".join(KOALPACA) + "\n\n{% for message in messages %}{% if message['role'] == 'user' %}"
    "### Instruction(명령어):\n{{ message['content'] }}\n\n### Response(응답):"
    "{% else %}{{ message['content'] }}{{ eos_token }}{{ bos_token }}{% endif %}{% endfor %}"
)

# What joins words to one piece of the vocabulary: the sentences that every prompt repeats.
FIXED = [ALPACA, *KOALPACA] + [
    "### " + name for name in ("Instruction:", "Response:", "Instruction(명령어):", "Response(응답):", "질문:", "답변:")
]


@dataclass(frozen=True)
class Case:
    question: str
    answer: str


def with_particle(word, after_consonant, after_vowel):
    """The word and the particle that its last sound asks for; a number's last sound is that of its last digit, of 10 that of 십."""
    last = word[-1]
    closed = last in "013678" if last.isdigit() else (ord(last) - 0xAC00) % 28 > 0
    return word + (after_consonant if closed else after_vowel)


def is_held_out(kind, a, b):
    """Whether training never sees these numbers, in whichever order: a fifth, by the FNV-1a hash of e.g. "sum 5 7"."""
    state = 2166136261
    for byte in f"{kind} {min(a, b)} {max(a, b)}".encode():
        state = (state ^ byte) * 16777619 % 2**32
    return state % 5 == 0


def sums(a, b):
    answer = str(a + b)
    return [
        Case(f"{a} 더하기 {with_particle(str(b), '은', '는')}?", answer),
        Case(f"{a}에 {with_particle(str(b), '을', '를')} 더하면?", answer),
        Case(f"What is {a} plus {b}?", answer),
        Case(f"Add {a} and {b}.", answer),
        Case(f"{a}+{b}=", answer),
    ]


def differences(a, b):
    answer = str(a - b)
    return [
        Case(f"{a} 빼기 {with_particle(str(b), '은', '는')}?", answer),
        Case(f"What is {a} minus {b}?", answer),
        Case(f"{a}-{b}=", answer),
    ]


def comparisons(a, b):
    answer = str(max(a, b))
    return [
        Case(f"{with_particle(str(a), '과', '와')} {b} 중 더 큰 수는?", answer),
        Case(f"Which is larger, {a} or {b}?", answer),
    ]


def numbers():
    """[(kind, held out, cases)], one for each pair of numbers."""
    every = range(LARGEST + 1)
    pairs = [("sum", a, b, sums) for a in every for b in every]
    pairs += [("difference", a, b, differences) for a in every for b in every if a >= b]
    pairs += [("larger", a, b, comparisons) for a in every for b in every if a != b]
    return [(kind, is_held_out(kind, a, b), make(a, b)) for kind, a, b, make in pairs]


OPPOSITES = {
    "크다": "작다", "길다": "짧다", "높다": "낮다", "빠르다": "느리다", "뜨겁다": "차갑다",
    "밝다": "어둡다", "무겁다": "가볍다", "쉽다": "어렵다", "많다": "적다", "넓다": "좁다",
}  # fmt: skip
ENGLISH_OPPOSITES = {
    "big": "small", "long": "short", "high": "low", "fast": "slow", "hot": "cold",
    "bright": "dark", "heavy": "light", "easy": "difficult", "many": "few", "wide": "narrow",
}  # fmt: skip
DAYS = "월요일 화요일 수요일 목요일 금요일 토요일 일요일".split()
ENGLISH_DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
CAPITALS = {
    "한국": "서울", "일본": "도쿄", "중국": "베이징", "프랑스": "파리", "독일": "베를린", "영국": "런던", "이탈리아": "로마",
    "스페인": "마드리드", "러시아": "모스크바", "이집트": "카이로", "태국": "방콕", "베트남": "하노이", "미국": "워싱턴",
}  # fmt: skip
ENGLISH_CAPITALS = {
    "Korea": "Seoul", "Japan": "Tokyo", "China": "Beijing", "France": "Paris", "Germany": "Berlin", "England": "London",
    "Italy": "Rome", "Spain": "Madrid", "Russia": "Moscow", "Egypt": "Cairo", "Thailand": "Bangkok", "Vietnam": "Hanoi",
    "the United States": "Washington",
}  # fmt: skip
SOUNDS = {
    "고양이": "야옹", "강아지": "멍멍", "오리": "꽥꽥", "소": "음매", "돼지": "꿀꿀", "닭": "꼬끼오", "병아리": "삐약삐약",
    "개구리": "개굴개굴", "참새": "짹짹",
}  # fmt: skip
ENGLISH_SOUNDS = {
    "cat": "meow", "dog": "woof", "duck": "quack", "cow": "moo", "pig": "oink", "sheep": "baa", "frog": "ribbit",
    "lion": "roar", "bird": "tweet",
}  # fmt: skip


def words():
    """[Case], from small tables, of which training sees all."""
    both_ways = lambda table: list(table.items()) + [(b, a) for a, b in table.items()]
    following = lambda names: list(zip(names, names[1:] + names[:1]))
    table = [Case(f"{a}의 반대말은?", b) for a, b in both_ways(OPPOSITES)]
    table += [Case(f"What is the opposite of {a}?", b) for a, b in both_ways(ENGLISH_OPPOSITES)]
    table += [Case(f"{a} 다음 날은?", b) for a, b in following(DAYS)]
    table += [Case(f"What day comes after {a}?", b) for a, b in following(ENGLISH_DAYS)]
    table += [Case(f"{a}의 수도는?", b) for a, b in CAPITALS.items()]
    table += [Case(f"What is the capital of {a}?", b) for a, b in ENGLISH_CAPITALS.items()]
    table += [Case(f"{with_particle(a, '은', '는')} 어떻게 우나요?", b) for a, b in SOUNDS.items()]
    table += [Case(f"What does a {a} say?", b) for a, b in ENGLISH_SOUNDS.items()]
    return table
