"""The example's backend: a product list, in answer to either kind of API Gateway event."""

import json

PRODUCTS = {
    "1": {"id": "1", "name": "Espresso machine", "price": "349.00"},
    "2": {"id": "2", "name": "Coffee grinder", "price": "129.00"},
}


def handler(event: dict, context: object) -> dict:
    product_id = (event.get("pathParameters") or {}).get("id")
    if product_id is None:
        return answer(200, list(PRODUCTS.values()))
    if product_id not in PRODUCTS:
        return answer(404, {"message": "No such product"})
    return answer(200, PRODUCTS[product_id])


def answer(status: int, body: object) -> dict:
    return {"statusCode": status, "headers": {"Content-Type": "application/json"}, "body": json.dumps(body)}
