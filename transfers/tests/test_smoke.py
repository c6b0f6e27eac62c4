def test_a_transfer_moves_the_amount(reena, rahul):
    answer = reena.send(rahul, "25.00", key="k")
    assert answer.status_code == 201
    assert (reena.balance(), rahul.balance()) == (497_500, 302_500)
