"""The answer key of the retrieval benchmark: problems in words, each with the entries that solve it.

The problems are worded as by an analyst or a person, and were written before any search. A search hits if it finds one
of the named entries.
"""

PROBLEMS: tuple[tuple[str, frozenset[str]], ...] = tuple(
    (problem, frozenset(keys.split()))
    for problem, keys in (
        (
            (
                "Associative recall is weak: a purely additive memory never erases, so the state saturates and "
                "keys interfere. Writing has to replace the old value of a key instead of adding to it."
            ),
            "linear_fwp_delta deltanet_parallel gated_deltanet deltaformer",
        ),
        (
            (
                "Associative recall is weak: decay forgets everything alike and cannot edit the one association "
                "that changed. Writing has to correct the error of what the state already returns for a key."
            ),
            "gated_deltanet linear_fwp_delta kda gdn2 deltanet_parallel",
        ),
        (
            (
                "Text loss is high: local patterns of neighbouring tokens are resolved poorly. A short "
                "convolution, a token shift or a sliding window of local attention would capture them."
            ),
            "gated_conv_lm primer dynamic_conv mega h3 qrnn based regbench inline_attention griffin rwkv4",
        ),
        (
            (
                "Text loss is high: all history is weighed alike, old context blurs the recent. Data-dependent "
                "forgetting, a decay gate that reads the token, would select what is kept."
            ),
            "gla rfa retnet rwkv6 fox hgrn gateloop mamba decaying_fast_weights",
        ),
        (
            (
                "It costs too much for what it reaches: parameters and operations per token lie above the "
                "baselines. Cheaper projections, fewer paths or low-rank gates would keep the quality at lower "
                "cost."
            ),
            "mqa gqa janet gss t2r mixture_of_depths metala aft glu_variants mingru decaying_fast_weights",
        ),
        (
            "The model cannot compute parity or follow a sequence of swaps.",
            "negative_eigenvalues illusion_of_state deltaproduct rwkv7 path",
        ),
        (
            "Training becomes unstable because the normalising denominator of linear attention gets close to zero.",
            "transnormer softpick",
        ),
        (
            "Attention weights are too uniform, the layer cannot focus on a single token.",
            "hedgehog cosformer diff_transformer transnormer hopfield_modern",
        ),
        ("The forget gate saturates and receives no gradient.", "ur_gates regla chrono_init"),
        (
            "Keys grow during training and the updates of the state explode.",
            "qk_norm small_proxies rmsnorm deltanet_parallel",
        ),
        (
            "After a repeated phrase the model does not predict the word that followed it the first time.",
            "induction_heads h3 zoology_mqar regbench",
        ),
        (
            "A fixed-size state cannot reproduce a long random string word for word.",
            "repeat_after_me memorizing_transformer rnn_not_transformers bmojo",
        ),
        ("Different topics overwrite each other in the single memory matrix.", "mom log_linear"),
        (
            "Exact lookup of recent tokens is needed next to a compressed long-term memory.",
            "based samba griffin infini_attention titans hymba bmojo",
        ),
        ("The same gate decides how much to erase and how much to write.", "gdn2 rodimus comba xlstm metala"),
        ("The model was trained on short texts and gets worse on longer ones.", "alibi nope samba streaming_llm"),
        (
            "Tokens at a fixed offset cannot be copied since the layer has no notion of relative position.",
            "rope cosformer tnn alibi",
        ),
        (
            "Upper layers lose information that is needed hundreds of tokens later.",
            "hgrn hippo chrono_init s4 hippo_train",
        ),
        (
            "The state is too small to store all key and value pairs, but no parameters may be added.",
            "hgrn2 based zoology_mqar repeat_after_me just_read_twice atlas",
        ),
        (
            "Irrelevant reads from memory disturb the residual stream; an output gate is missing.",
            "gated_attention diff_transformer softpick",
        ),
        ("The router collapses and sends all tokens to one branch.", "aux_free_balance moba"),
        (
            "How should attention and recurrent heads be combined in one layer?",
            "hymba hybrid_analysis griffin infini_attention nsa mega",
        ),
        (
            "One gradient step per token adapts too slowly in context.",
            "mesa_layer mesanet precond_deltanet atlas longhorn deltaproduct ttt_layers",
        ),
        ("Window attention fails when the first tokens leave the cache.", "streaming_llm"),
        ("Gradient signal at initialisation is poor in deep stacks.", "rezero normformer hyper_connections ngpt"),
    )
)
