"""What leaves the lab: a mixer as a file of its own, as a layer in fla's form, or as a model folder of Hugging Face.

Composing the files is a matter of text. The candidate's source is run in the jail alone, to certify what was written
(`trainer.exporting.certificate`).
"""
