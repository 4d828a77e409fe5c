"""The table of providers' errors and who is at fault for each; data only.

A row's codes are compared with every code, type and status word of a body, without punctuation and in lower case; ``*``
matches anything. Its prose is a pattern for the message; it counts if no code decides, and only with the row's
statuses.
"""

from __future__ import annotations

import re
from fnmatch import translate
from typing import NamedTuple

from ..errors import (
    ContextLengthError,
    Fault,
    PromptFilteredError,
    ProviderError,
    QuotaError,
    UnknownNameError,
    WrongKeyError,
)

__all__ = ["ROWS", "FaultRow"]


class FaultRow(NamedTuple):
    """One kind of error, and how providers report it.

    Attributes:
        name: the kind of error.
        fault: who is at fault.
        codes: pattern for codes, types and status words.
        prose: pattern for the message, used if no code decides; None if a message is not enough.
        statuses: the statuses with which the prose counts; None stands for an error inside an answer.
        error: the class of the exception, if the status does not decide it.
        advice: what to do; the last sentence of the message.
        bad_request: the class of the exception, if the status only says that the request is bad.
    """

    name: str
    fault: Fault
    codes: re.Pattern[str]
    prose: re.Pattern[str] | None = None
    statuses: frozenset[int | None] = frozenset()
    error: type[ProviderError] | None = None
    advice: str = ""
    bad_request: type[ProviderError] | None = None


def _codes(*patterns: str) -> re.Pattern[str]:
    plain = (re.sub(r"[^a-z0-9*]", "", pattern.lower()) for pattern in patterns)
    return re.compile("|".join(map(translate, plain)))


def _prose(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.I)


_REFUSALS = frozenset((None, 400, 403, 406, 422, 446, 451))
_BAD = frozenset((None, 400, 413, 422, 500))

ROWS = (
    FaultRow(
        # Azure, OpenAI, Gemini, Mistral, OpenRouter, DashScope, Zhipu, DeepSeek, Moonshot, MiniMax (1026, 1027),
        # Volcengine,
        # StepFun, Bedrock, LiteLLM, xAI, Anthropic, Vertex.
        "a filter refuses the text",
        Fault.CONTENT,
        _codes(
            *(
                "content_filter",
                "ResponsibleAIPolicyViolation",
                "*content_policy_violation*",
                "ContentPolicyViolationError",
            ),
            *(
                "moderation_blocked",
                "*PROHIBITED_CONTENT",
                "BLOCKLIST",
                "SPII",
                "prompt_blocked",
                "data_inspection_failed",
            ),
            *(
                "*SensitiveContentDetected*",
                "censorship_blocked",
                "guardrail_intervened",
                "cyber_policy*",
                "content_blocked",
            ),
            *("content_moderation*", "moderation_failed", "content_flagged", "policy_violation", "baseresp1026"),
            *("baseresp1027", "content_safety*", "SAFETY", "hooks_failed", "sensitive", "RiskControl*", "bio_policy"),
            *("invalid_prompt", "image_content_policy*", "content_violation*", "guardrail_violation*"),
        ),
        _prose(
            r"ContentPolicyViolation|content exists risk|content management policy|content filter(?:ing|ed)?\b"
            r"|flagged (?:by|for|as)"
            r"|moderation|violated (?:\w+ ){0,3}guardrails?\b|(?:prompt|response) blocked due to security",
            r"violat\w+ (?:\w+ ){0,4}(?:usage|content|responsible ai|use) (?:polic|guideline|practices)"
            r"|considered high risk",
            r"sensitive (?:content|words|information)|new_sensitive|敏感|不安全|违规|inappropriate content"
            r"|prohibited_content",
            r"limited access to this content for safety",
            r"input (?:text )?data may contain|blocked by (?:\w+ ){0,3}(?:safety|guardrail|polic)|responsible ai p",
        ),
        _REFUSALS,
        PromptFilteredError,
        "The provider's filter refused this text: rephrase it. Other requests are not affected.",
    ),
    FaultRow(
        # OpenAI, vLLM, llama.cpp, Groq, DeepSeek, Cerebras, Copilot, GitHub Models, Anthropic, Gemini, Mistral,
        # Cohere, Bedrock,
        # Together, Fireworks, TGI, SGLang, LM Studio, Ollama, xAI, Moonshot, MiniMax, Zhipu, DashScope, Cloudflare.
        "more tokens than the model holds",
        Fault.SIZE,
        _codes(
            *("context_length_exceeded", "exceed_context_size*", "*context_window_exceeded*", "tokens_limit_reached"),
            *("model_max_prompt_tokens_exceeded", "prompt_too_long", "input_too_long", "context_limit_exceeded"),
            *("string_above_max_length", "max_context_length*", "context_too_large", "model_context_window_exceeded"),
        ),
        _prose(
            r"(?:maximum|max) (?:model |allowed )?(?:context|prompt|sequence|model|input) (?:length|len|window|size)",
            r"ContextWindowExceeded|context[_ ]length[_ ]exceeded|exceed_context_size",
            r"context (?:window|length|size|limit)|(?:prompt|input|conversation) (?:is )?too long|input is too long",
            r"too many (?:input |total )?tokens(?! (?:per|processed))|tokens_limit_reached|prompt has too many tokens",
            r"prompt exceeds max length|token count .{0,60}exceeds|range of input length|input length .{0,60}exceed",
            r"exceeded model token limit|must have less than \d+ tokens|max_new_tokens`? must be <=|max_model_len",
            r"reduce the length of the (?:messages|prompt|input|conversation)|prompt token count|max input tokens",
            r"longer than the (?:maximum )?(?:model|context)|too large for model with|提示词过长|输入长度|超过最大长度",
            r"number of input tokens \d+ cannot exceed|prompt_tokens \(\d+\) must be less",
            r"body too large for \S+ model|number of tokens (?:in the prompt |to keep )?.{0,30}(?:exceed|greater)",
        ),
        _BAD,
        ContextLengthError,
        "Shorten the messages, or use a model with a larger context.",
    ),
    FaultRow(
        # Anthropic (413), OpenAI, Azure, nginx; Groq and OpenAI say it by numbers, see ``fault.py``.
        "a body or a picture that is too large",
        Fault.SIZE,
        _codes("request_too_large", "*payload_too_large*", "*entity_too_large*", "image*_too_large", "file_too_large"),
        _prose(
            r"request (?:entity|body)? ?(?:is )?too large|payload too large"
            r"|image (?:\w+ ){0,3}exceeds? .{0,40}(?:mb|bytes|pixels)|payload size exceeds"
            r"|(?:at most|maximum of|up to|more than) \d{1,6} (?:images?|audios?|videos?|files?|(?:pdf )?pages)\b"
            r"|too many (?:images|files|documents|pages)",
            r"file (?:is|has) .{0,20}too large"
            r"|exceeds the maximum (?:allowed )?(?:size|number of bytes)|(?:image|file) (?:is )?too large",
        ),
        _BAD,
        None,
        "This request is too large: shorten its texts, or make its pictures smaller. Other requests are not affected.",
    ),
    FaultRow(
        # OpenAI, Anthropic, Fireworks.
        "a picture or file that cannot be read",
        Fault.CONTENT,
        _codes(
            *("invalid_image*", "image_parse_error", "image_content_policy*", "unsupported_image*", "empty_image*"),
            *("invalid_base64_image", "failed_to_download_image", "image_file_not_found", "image_too_small"),
        ),
        _prose(
            r"could not process image|failed to (?:download|decode|load|fetch|process|open) (?:the )?(?:image"
            r"|file|pdf|audio)",
            r"invalid image|unsupported image|unable to (?:download|process|decode|open) .{0,30}(?:image|file)"
            r"|image_url.{0,40}invalid",
            r"image (?:data )?(?:is|was) not valid|image (?:does not|doesn't) match|media type, but the image"
            r"|pdf (?:\w+ )?(?:was not valid|is password|is encrypted|has no)|document has no pages",
            r"unsupported (?:mime|media|file|image|audio|document) (?:type|format)"
            r"|cannot fetch content|downloading image"
            r"|(?:image|audio|file) (?:could not|cannot|can't) be (?:loaded|decoded|read|opened|processed)",
            r"error while downloading|does not represent a valid image|cannot identify image|broken (?:image"
            r"|data stream)",
        ),
        _BAD,
        None,
        "This request's picture or file is refused. Other requests are not affected.",
    ),
    FaultRow(
        # OpenAI, Moonshot, DashScope, Volcengine, MiniMax (1008, 2056), Together, xAI, Anthropic, OpenRouter,
        # SiliconFlow, Zhipu.
        "no money or quota left",
        Fault.ACCOUNT,
        _codes(
            *(
                "insufficient_quota",
                "billing_*",
                "exceeded_current_quota*",
                "insufficient_balance*",
                "insufficient_credits*",
            ),
            *(
                "insufficient_funds",
                "Arrearage",
                "AccountOverdue*",
                "*FreeTierOnly",
                "*Unpurchased",
                "SetLimitExceeded",
            ),
            *(
                "credit_limit*",
                "credits_exhausted",
                "spend_limit*",
                "budget_exceeded*",
                "baseresp1008",
                "payment_required",
            ),
            *(
                "ExceededBudget",
                "usage_limit_reached",
                "usage_limit_exceeded",
                "account_quota*",
                "no_credits*",
                "out_of_credits",
            ),
            *("not_enough_balance", "not_enough_credits*", "token_quota_reached", "blocked_api_access", "baseresp2056"),
            *("user_quota*", "pre_consume_token_quota_failed", "insufficient_user_quota", "monthly_limit*"),
        ),
        _prose(
            r"insufficient_quota|insufficient.{0,12}(?:balance|credit|quota|funds)|credit balance is too low"
            r"|arrear|余额|欠费",
            r"billing (?:hard )?limit|check your (?:plan and )?billing|exceeded (?:your|the) (?:current )?quota"
            r"|in good standing",
            r"billing (?:is |has )?not (?:been )?(?:active|enabled)|used all available credits|any credits"
            r"|more credits",
            r"(?:spending|spend|usage|monthly|credit|budget)(?: \w+)? limits?(?: has| have)?(?: been)? (?:reached"
            r"|exceeded|hit)",
            r"(?:reached|exceeded|hit) your (?:\w+ ){0,4}(?:usage|spend\w*|monthly|credit|budget)"
            r"|reach(?:ed|ing) (?:the|its) (?:\w+ )?(?:spend\w*|credit|budget)",
            r"(?:balance|credits?|funds) (?:(?:is|are|has|have|been) ){0,2}(?:insufficient|depleted|exhausted|too low)"
            r"|(?:run|ran) out of (?:credits?|balance|quota|funds)|not enough (?:balance|credits?|funds)",
            r"out of credits|\bkey limit exceeded|quota is not enough|token quota has been reached"
            r"|failure to pay|top up your|budget has been exceeded",
        ),
        frozenset((None, 400, 401, 403, 412, 429)),
        QuotaError,
        "The account has no quota left; waiting does not help.",
    ),
    FaultRow(
        # OpenAI, Gemini (400), Anthropic, DashScope, Mistral, MiniMax (1004, 2049), Cerebras, Groq, Together.
        "a key that is missing or wrong",
        Fault.SETTINGS,
        _codes(
            *(
                "invalid_api_key*",
                "API_KEY_INVALID",
                "authentication_error",
                "*wrong_api_key",
                "invalid_authentication*",
            ),
            *(
                "UNAUTHENTICATED",
                "unauthorized",
                "AuthenticationError",
                "incorrect_api_key*",
                "baseresp1004",
                "baseresp2049",
                "InvalidApiKey",
            ),
            *("account_deactivated", "access_terminated", "expired_api_key", "no_api_key", "API_KEY_*"),
        ),
        _prose(
            r"(?:invalid|incorrect|missing|wrong|expired|no) (?:api|access|auth\w*)[ _-]?(?:key|token)"
            r"|api key not (?:valid|found)",
            r"api[ _]key (?:is )?(?:invalid|incorrect|missing|expired)",
        ),
        frozenset((None, 400)),
        None,
        "Check the key for this provider.",
        WrongKeyError,
    ),
    FaultRow(
        # OpenAI, Azure, Anthropic, Mistral, xAI (400), DeepSeek (400), vLLM, Ollama, Gemini, Groq, Cerebras, LiteLLM.
        "a model that is not there",
        Fault.SETTINGS,
        _codes(
            *("model_not_found*", "DeploymentNotFound", "invalid_model*", "ModelNotFound*", "model_not_available"),
            *(
                "model_decommissioned",
                "model_terms_required",
                "unknown_model",
                "ModelError",
                "model_not_supported",
                "NoSuchModel",
            ),
        ),
        _prose(
            r"\b(?:model|deployment)s?\b.{0,120}?(?:does not exist|doesn't exist|do not exist|not exist|not found"
            r"|not supported by"
            r"|is not available|isn't available|has been (?:decommissioned|deprecated|removed)|could not be found"
            r"|is unknown|is no longer available)",
            r"(?:no such|invalid|unknown|unrecognized) model\b|specified model|no endpoints found"
            r"|no models loaded|model (?:identifier|id|name) is invalid|llm provider not provided|模型不存在"
            r"|^\s*\(?model: ?\S",
        ),
        frozenset((None, 400, 404, 410, 422)),
        None,
        "Check the model's name.",
        UnknownNameError,
    ),
    FaultRow(
        # OpenAI.
        "an earlier answer, or an item of one, that is not there",
        Fault.SETTINGS,
        _codes("previous_response_not_found", "conversation_not_found"),
        _prose(r"\bwith id .{0,80} not found"),
        frozenset((None, 400, 404)),
        bad_request=UnknownNameError,
    ),
    FaultRow(
        # OpenAI, Gemini, Anthropic, Groq, Azure, Bedrock, NVIDIA.
        "an account, a place or a version that may not use this",
        Fault.SETTINGS,
        _codes("data_residency_mismatch", "unsupported_country*", "organization_restricted", "SERVICE_DISABLED"),
        _prose(
            r"location is not supported|not available in your (?:country|region)|country, region,? or territory",
            r"(?:organi[sz]ation|account|project|workspace) (?:has been|is) (?:disabled|restricted|deactivated|blocked)"
            r"|must be verified to",
            r"api version (?:\w+ )?(?:is )?not supported|on-demand throughput isn|endpoint is paused",
            r"not found for account|is deprecated\. Please switch",
        ),
        frozenset((None, 400, 403, 404, 410, 422)),
        None,
        "Check the account's settings, its region, and the model's name.",
    ),
    FaultRow(
        # OpenAI, Azure, Groq: an option that is not accepted, and that no remedy of ``remedy.py`` may leave out.
        "an option that is not taken",
        Fault.SETTINGS,
        _codes("unsupported_parameter", "unknown_parameter", "model_not_active"),
    ),
    FaultRow(
        # Anthropic (529), Moonshot, Cerebras, Mistral, OpenAI, Volcengine, AWS, Together; counted: OpenAI, Groq,
        # Cerebras,
        # DashScope, Azure, AWS, MiniMax (1002, 1039, 1041, 2045), GitHub.
        "too much at once",
        Fault.LOAD,
        _codes(
            *("*rate_limit*", "*too_many_requests*", "*throttl*", "*overloaded*", "limit_requests", "limit_burst_rate"),
            *(
                "token_quota_exceeded",
                "request_quota_exceeded",
                "queue_exceeded",
                "too_many_tokens_error",
                "baseresp1002",
            ),
            *(
                "baseresp1039",
                "baseresp1041",
                "baseresp2045",
                "*capacity_exceeded",
                "RATE_LIMIT_EXCEEDED",
                "QuotaExceeded",
                "service_unavailable*",
            ),
            *("slow_down", "concurrency_limit*", "*tpm_exceeded", "*rpm_exceeded", "engine_overloaded*", "UNAVAILABLE"),
        ),
        _prose(
            r"overloaded|rate.?limit|too many (?:concurrent )?requests|throttl|high (?:demand|load|traffic)"
            r"|at capacity|no capacity",
            r"server (?:is )?busy|请求过多|限流|(?:try|retry) again later|temporarily unavailable"
            r"|currently unavailable",
        ),
        frozenset((None, 429, 500, 502, 503, 504, 529)),
    ),
)
"""The rows in order; the first match decides."""
