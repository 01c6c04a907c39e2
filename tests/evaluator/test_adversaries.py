"""Networks that learn against each other."""

import pytest
import torch

from evaluator.models.adversaries import fixed


def test_a_fixed_network_hands_gradients_through_and_takes_none() -> None:
    judge, x = torch.nn.Linear(3, 1), torch.ones(2, 3, requires_grad=True)
    with fixed(judge):
        judged = judge(x).sum()
    judged.backward()
    assert judge.weight.grad is None
    torch.testing.assert_close(x.grad, judge.weight.expand(2, 3))
    judge(x).sum().backward()
    assert judge.weight.grad is not None


def test_an_error_frees_it() -> None:
    judge = torch.nn.Linear(3, 1)
    with pytest.raises(RuntimeError), fixed(judge):
        judge(torch.ones(2, 4))
    assert judge.weight.requires_grad
