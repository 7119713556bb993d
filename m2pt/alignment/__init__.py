"""Brings the weights of one encoder into the coordinates of another before the two are combined.

An encoder computes the same function in many coordinates. Two that were pretrained apart differ in them, so sums of their weights
mix units that have nothing to do with each other. Of the changes made here, these leave the function of the moved encoder as it
is: any order of heads, any orthogonal map of a head's queries and keys together and of its values, any order of the MLP's
neurons, any order of the residual stream, and any rotation of the stream that keeps the vector of ones, if gains and offsets of
the norms are folded into the layers that read the stream. A general linear map of the stream does not.
"""

from m2pt.alignment.encoders import Probe, aligned

__all__ = ["Probe", "aligned"]
